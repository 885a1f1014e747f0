import type { RunState } from '../../domain/run.ts';
import { hasEnded } from '../../domain/run.ts';

/** What is needed of a run to tell how far it is. */
interface Measured {
  readonly id: string;
  readonly state: RunState;
  readonly expected: number | null;
  readonly sealedAt: Date | null;
  readonly slices: number;
  readonly settled: number;
  readonly records: number;
  readonly rejects: number;
}

export interface Progress {
  /** From 0 to 1; null when nothing is known to hold it against. */
  readonly share: number | null;
  /** Null when nothing moves. */
  readonly recordsPerSecond: number | null;
  readonly leftMs: number | null;
}

/** Speed is measured over this long: short enough to follow a change, long enough not to flicker. */
const WINDOW_MS = 10_000;
/** What has not been looked at for this long is forgotten. */
const FORGET_MS = 60_000;

interface Look {
  readonly at: number;
  readonly records: number;
}

/** Remembers what runs had brought a moment ago, and tells from it how fast they are. */
export class Pace {
  readonly #looks = new Map<string, Look[]>();

  /** How far a run is, and how fast. `now` in milliseconds. */
  measure(run: Measured, now: number): Progress {
    const come = run.records + run.rejects;
    const share = shareOf(run, come);
    if (run.state !== 'fetching') {
      this.#looks.delete(run.id);
      return { share, recordsPerSecond: null, leftMs: null };
    }
    const recordsPerSecond = this.#speed(run, { at: now, records: come });
    const left = run.expected === null ? 0 : Math.max(0, run.expected - come);
    return {
      share,
      recordsPerSecond,
      leftMs: left > 0 && recordsPerSecond > 0 ? (left / recordsPerSecond) * 1_000 : null,
    };
  }

  /** Over the last seconds where they were looked at, else since the start. */
  #speed({ id, sealedAt }: Measured, look: Look): number {
    this.#forget(look.at);
    const looks = this.#looks.get(id) ?? [];
    const recent = [...looks.filter(({ at }) => look.at - at <= WINDOW_MS), look];
    this.#looks.set(id, recent);
    const since = recent[0] ?? look;
    if (look.at - since.at >= 1_500) return perSecond(since, look);
    return sealedAt === null ? 0 : perSecond({ at: sealedAt.getTime(), records: 0 }, look);
  }

  #forget(now: number): void {
    for (const [id, looks] of this.#looks) if (now - (looks.at(-1)?.at ?? 0) > FORGET_MS) this.#looks.delete(id);
  }
}

function perSecond(from: Look, to: Look): number {
  return to.at <= from.at ? 0 : Math.max(0, ((to.records - from.records) / (to.at - from.at)) * 1_000);
}

/** By records where the source counts them, by slices where it does not. */
function shareOf({ state, expected, slices, settled }: Measured, come: number): number | null {
  if (state === 'complete') return 1;
  if (expected !== null && expected > 0) return Math.min(hasEnded(state) ? 1 : 0.999, come / expected);
  return slices === 0 ? null : settled / slices;
}
