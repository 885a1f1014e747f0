import { isStoreTrouble } from '../../../domain/classify.ts';
import { UsageError } from '../../../domain/errors.ts';
import { packStates } from '../assets/slice-map.js';
import { encodeEvent } from './event-stream.ts';

/** What is to be seen of something at one moment. */
export interface Picture {
  /** HTML of the page's parts, by name. */
  readonly parts: Readonly<Record<string, string>>;
  /** The states of a run's slices, a letter each; null where there is no map. */
  readonly states: string | null;
  /** True when nothing will change any more. */
  readonly isOver: boolean;
}

/** Who watches. */
export interface Viewer {
  /** Sends an event, or leaves it out where the viewer has not taken the last ones yet. */
  send(event: string): void;
  /** Whether it takes events at present. */
  readonly isReady: boolean;
  /** Whether one was left out since this was last set to false. */
  wasSkipped: boolean;
  end(): void;
}

/** How often is looked, at most. */
const LOOK_MS = 1_000;
/** Looking may take this part of the time: where it takes long, it is done less often. */
const SHARE = 1 / 25;
const SELDOM_MS = 10_000;
/** How often is looked while the database is away. */
const AWAY_MS = 2_000;
/** A viewer hears something at least this often, so that it can tell silence from a dead connection. */
const BEAT_MS = 15_000;

/** The database cannot be asked at present. */
const AWAY = encodeEvent('away', {});

/** What a watch tells the one who began it. */
export interface Watched {
  /** Nobody watches any more. */
  onEmpty(): void;
  /** Looking failed, and not because the database is away. Not told again while it fails in the same way. */
  onFailure(error: unknown): void;
}

/**
 * Looks at one thing for all who watch it, and sends each of them what has changed. It looks only while somebody
 * watches, and as often for one as for a hundred.
 */
export class Watch {
  readonly #viewers = new Set<Viewer>();
  readonly #look: () => Promise<Picture>;
  readonly #watched: Watched;
  #picture: Picture | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isAway = false;
  #failure: string | null = null;
  #sentAt = 0;

  constructor(look: () => Promise<Picture>, watched: Watched) {
    this.#look = look;
    this.#watched = watched;
  }

  /** A viewer comes: it is told everything, at once where that is known. */
  add(viewer: Viewer): void {
    this.#viewers.add(viewer);
    if (this.#isAway) viewer.send(AWAY);
    else if (this.#picture !== null) viewer.send(encodeState(this.#picture));
    if (this.#timer === undefined && !this.#isLooking) void this.#lookOn();
  }

  remove(viewer: Viewer): void {
    if (this.#viewers.delete(viewer) && this.#viewers.size === 0) this.close();
  }

  /** Ends all streams, and looks no more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#watched.onEmpty();
    const viewers = [...this.#viewers];
    this.#viewers.clear();
    for (const viewer of viewers) viewer.end();
  }

  async #lookOn(): Promise<void> {
    this.#isLooking = true;
    const startedAt = performance.now();
    const picture = await this.#look().catch((error: unknown) => this.#fail(error));
    this.#isLooking = false;
    if (this.#viewers.size === 0) return;
    if (picture !== null) this.#tell(picture);
    if (picture?.isOver === true) {
      this.#broadcast(encodeEvent('end', {}));
      this.close();
      return;
    }
    if (performance.now() - this.#sentAt > BEAT_MS) this.#broadcast(encodeEvent('beat', {}));
    const tookMs = performance.now() - startedAt;
    const waitMs = picture === null ? AWAY_MS : Math.min(SELDOM_MS, Math.max(LOOK_MS - tookMs, tookMs / SHARE));
    this.#timer = setTimeout(() => void this.#lookOn(), waitMs);
  }

  /** Null: it cannot be seen at present, and viewers are told so. */
  #fail(error: unknown): null {
    const isGone = error instanceof UsageError; // what was looked at is not there any more
    if (isGone) this.close();
    else if (!isStoreTrouble(error)) this.#report(error);
    this.#isAway = true;
    this.#broadcast(AWAY);
    return null;
  }

  #report(error: unknown): void {
    if (String(error) === this.#failure) return;
    this.#failure = String(error);
    this.#watched.onFailure(error);
  }

  #tell(picture: Picture): void {
    const before = this.#isAway ? null : this.#picture;
    this.#picture = picture;
    this.#isAway = false;
    this.#failure = null;
    const change = before === null ? encodeState(picture) : encodeChange(before, picture);
    if (change !== null) this.#broadcast(change);
    for (const viewer of this.#viewers) {
      if (!viewer.wasSkipped || !viewer.isReady) continue;
      viewer.wasSkipped = false;
      viewer.send(encodeState(picture));
    }
  }

  #broadcast(event: string): void {
    this.#sentAt = performance.now();
    for (const viewer of this.#viewers) viewer.send(event);
  }
}

function encodeState({ parts, states }: Picture): string {
  return encodeEvent('state', { parts, states: states === null ? null : packStates(states) });
}

/** What differs between two pictures as an event; null when nothing does. */
export function encodeChange(before: Picture, after: Picture): string | null {
  const entries = Object.entries(after.parts).filter(([name, html]) => !isSame(before.parts[name], html));
  const changed = changedStates(before.states ?? '', after.states ?? '');
  if (entries.length === 0 && changed.length === 0) return null;
  return encodeEvent('change', { parts: Object.fromEntries(entries), changed });
}

/** Times are counted on by the browser itself: a page on which only they differ is the same. */
function isSame(before: string | undefined, after: string): boolean {
  if (before === undefined || before === after) return before === after;
  return withoutTimes(before) === withoutTimes(after);
}

function withoutTimes(html: string): string {
  return html.replaceAll(/(<time[^>]*>)[^<]*/g, '$1');
}

/** The slices that differ, as pairs of index and letter. There are never fewer than before. */
export function changedStates(before: string, after: string): (readonly [number, string])[] {
  const changed: [number, string][] = [];
  for (let index = 0; index < after.length; index++) {
    const letter = after[index] ?? '';
    if (before[index] !== letter) changed.push([index, letter]);
  }
  return changed;
}
