import { count, duration, plural } from '../../domain/numbers.ts';
import { hasEnded } from '../../domain/run.ts';
import type { RunProgress } from '../../runtime/harvest.ts';

export interface ProgressView {
  show(progress: readonly RunProgress[]): void;
  /** Prints a line above the progress, to stay. */
  note(text: string): void;
  /** Leaves what was shown last on the screen. */
  end(): void;
}

type Screen = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>;

/** Speed is measured over this long: short enough to follow a change, long enough not to flicker. */
const SPEED_WINDOW_MS = 5_000;
/** Where there is no terminal, a line is printed this often, and whenever a run's state changes. */
const QUIET_INTERVAL_MS = 10_000;
const BAR_WIDTH = 24;

/** A line for each run, redrawn in place on a terminal, printed now and then elsewhere. */
export function createProgressView(screen: Screen, now: () => number = Date.now): ProgressView {
  const speeds = new Map<string, Speedometer>();
  const lineOf = (progress: RunProgress): string => {
    const speed = speeds.get(progress.run) ?? new Speedometer();
    speeds.set(progress.run, speed);
    return renderLine(progress, speed.measure(now(), progress.totals.records));
  };
  return screen.isTTY ? redrawn(screen, lineOf) : printed(screen, lineOf, now);
}

function redrawn(screen: Screen, lineOf: (progress: RunProgress) => string): ProgressView {
  let shown = 0;
  return {
    show: (progress) => {
      const lines = progress.map((each) => lineOf(each).slice(0, (screen.columns || 100) - 1));
      const up = shown > 0 ? `\x1b[${shown}A` : '';
      screen.write(up + lines.map((line) => `\x1b[2K${line}\n`).join(''));
      shown = lines.length;
    },
    note: (text) => {
      // Over the first of the lines shown; what is left of them is redrawn below.
      screen.write(`${shown > 0 ? `\x1b[${shown}A\x1b[J` : ''}${text}\n`);
      shown = 0;
    },
    end: () => {
      shown = 0;
    },
  };
}

function printed(screen: Screen, lineOf: (progress: RunProgress) => string, now: () => number): ProgressView {
  const last = new Map<string, { readonly state: string; readonly at: number }>();
  return {
    show: (progress) => {
      for (const each of progress) {
        const line = lineOf(each);
        const before = last.get(each.run);
        if (before?.state === each.state && now() - before.at < QUIET_INTERVAL_MS) continue;
        last.set(each.run, { state: each.state, at: now() });
        screen.write(`${line}\n`);
      }
    },
    note: (text) => void screen.write(`${text}\n`),
    end: () => undefined,
  };
}

function renderLine({ dataset, state, expected, pageSize, totals }: RunProgress, perSecond: number): string {
  const share = expected === null || expected === 0 ? null : Math.min(1, (totals.records + totals.rejects) / expected);
  const parts = [
    `${dataset.padEnd(20)} ${bar(share, state)}`,
    expected === null ? `${count(totals.records)} records` : `${count(totals.records)}/${count(expected)} records`,
    plural(totals.pages, 'page'),
  ];
  if (!hasEnded(state) && perSecond > 0) parts.push(`${count(perSecond)} records/s`);
  if (state === 'fetching' && expected !== null && perSecond > 0) {
    const left = Math.max(0, expected - totals.records - totals.rejects);
    if (left > pageSize) parts.push(`${duration((left / perSecond) * 1_000)} left`);
  }
  if (totals.retries > 0) parts.push(`${count(totals.retries)} retried`);
  if (totals.rejects > 0) parts.push(`${count(totals.rejects)} rejected`);
  if (state !== 'fetching') parts.push(state);
  return parts.join('  ');
}

function bar(share: number | null, state: string): string {
  const known = hasEnded(state as RunProgress['state']) && state === 'complete' ? 1 : share;
  if (known === null) return ' '.repeat(BAR_WIDTH + 5);
  const filled = Math.round(known * BAR_WIDTH);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${String(Math.floor(known * 100)).padStart(3)}%`;
}

class Speedometer {
  readonly #samples: { at: number; value: number }[] = [];

  /** Adds a sample, and gives the growth a second over the window. */
  measure(at: number, value: number): number {
    this.#samples.push({ at, value });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > SPEED_WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || at === first.at) return 0;
    return Math.max(0, ((value - first.value) / (at - first.at)) * 1_000);
  }
}
