import { describe, expect, it } from 'vitest';
import { createProgressView } from '../../../src/cli/render/progress.ts';
import type { RunProgress } from '../../../src/runtime/harvest.ts';

const progressOf = (records: number, changes: Partial<RunProgress> = {}): RunProgress => ({
  run: 'r1',
  dataset: 'oda/Sag',
  state: 'fetching',
  expected: 98_000,
  pageSize: 100,
  totals: {
    slices: 50,
    open: 20,
    failed: 0,
    pages: records / 100,
    records,
    rejects: 0,
    requests: 0,
    retries: 0,
    bytes: 0,
  },
  ...changes,
});

/** A screen that keeps what is written, and a clock that moves a second with every look. */
function setUp(isTTY: boolean) {
  const written: string[] = [];
  let now = 0;
  const screen = { isTTY, columns: 120, write: (text: string) => written.push(text) > 0 };
  const view = createProgressView(screen as unknown as NodeJS.WriteStream, () => {
    now += 1_000;
    return now;
  });
  return { view, written };
}

describe('progress', () => {
  it('says how far a run is, how fast it goes and how long it will take', () => {
    const { view, written } = setUp(true);
    view.show([progressOf(0)]);
    view.show([progressOf(49_000)]);
    expect(written.at(-1)).toContain('█'.repeat(12) + '░'.repeat(12));
    expect(written.at(-1)).toMatch(/ 50% {2}49,000\/98,000 records {2}490 pages {2}49,000 records\/s {2}1\.0 s left/);
  });

  it('redraws in place on a terminal, and keeps a note above it', () => {
    const { view, written } = setUp(true);
    view.show([progressOf(100), progressOf(200)]);
    view.show([progressOf(300), progressOf(400)]);
    expect(written.at(-1)?.startsWith('\x1b[2A')).toBe(true);
    view.note('the source answered 503; again in 0.4 s');
    expect(written.at(-1)).toBe('\x1b[2A\x1b[Jthe source answered 503; again in 0.4 s\n');
    view.show([progressOf(500), progressOf(600)]);
    expect(written.at(-1)?.startsWith('\x1b[2K')).toBe(true);
  });

  it('prints a line now and then where there is no terminal, and one for every change of state', () => {
    const { view, written } = setUp(false);
    for (let look = 0; look < 12; look++) view.show([progressOf(look * 100)]);
    view.show([progressOf(98_000, { state: 'complete' })]);
    expect(written.length).toBeLessThan(6);
    expect(written.at(-1)).toMatch(/100%.*complete\n$/);
    expect(written.join('')).not.toContain('\x1b');
  });

  it('does not pretend to know what the source has not counted', () => {
    const { view, written } = setUp(true);
    view.show([progressOf(300, { expected: null })]);
    expect(written.at(-1)).toMatch(/300 records {2}3 pages/);
    expect(written.at(-1)).not.toMatch(/%|left/);
  });
});
