import { describe, expect, it } from 'vitest';
import { detectableShare, rangesOf, spreadChoice } from '../../src/domain/comparison.ts';
import { coversRanges } from '../../src/domain/span.ts';

describe('what samples prove', () => {
  it.each([
    [0, 100, 1],
    [1, 100, 0.95],
    [20, 1_000, 0.1391],
    [100, 18_400, 0.0295],
    [100, 100, 0],
    [5, 0, 0],
  ])('%i of %i pages would show a share of %d', (pages, of, share) => {
    expect(detectableShare(pages, of)).toBeCloseTo(share, 4);
  });

  it('is what chance does: with that share of pages differing, 95 % of choices show it', () => {
    const [pages, chosen] = [200, 20];
    const differing = new Set(
      Array.from({ length: Math.ceil(pages * detectableShare(chosen, pages)) }, (_, n) => n * 7),
    );
    const random = seeded(7);
    const shown = Array.from({ length: 2_000 }, () => spreadChoice(pages, chosen, random)).filter((choice) =>
      choice.some((place) => differing.has(place)),
    );
    expect(shown.length / 2_000).toBeGreaterThan(0.94);
  });
});

describe('a choice spread over all', () => {
  it('takes one of each stretch, none twice, and all when there are no more', () => {
    expect(spreadChoice(10, 5, () => 0)).toEqual([0, 2, 4, 6, 8]);
    expect(spreadChoice(10, 3, () => 0.999)).toEqual([2, 5, 9]);
    expect(spreadChoice(4, 9, () => 0.5)).toEqual([0, 1, 2, 3]);
    expect(spreadChoice(0, 9, () => 0.5)).toEqual([]);
    expect(spreadChoice(9, 0, () => 0.5)).toEqual([]);
  });
});

describe('ranges', () => {
  it('are put in order, and joined where they touch or overlap', () => {
    const found = [
      { after: 50, upto: 60 },
      { after: -5, upto: 10 },
      { after: 10, upto: 20 },
      { after: 55, upto: 58 },
    ];
    expect(rangesOf(found)).toEqual([
      { after: -5, upto: 20 },
      { after: 50, upto: 60 },
    ]);
  });

  it('are covered by slices that leave out what lies between, and nothing else', () => {
    const ranges = [
      { after: 0, upto: 10 },
      { after: 20, upto: 40 },
    ];
    const [low, ...high] = [ranges[0] ?? { after: 0, upto: 0 }, { after: 20, upto: 30 }, { after: 30, upto: 40 }];
    expect(coversRanges(ranges, [...high, low])).toBe(true);
    expect(coversRanges(ranges, high)).toBe(false);
    expect(coversRanges(ranges, [low, ...high.slice(1)])).toBe(false);
    expect(coversRanges(ranges, [{ after: 0, upto: 11 }, ...high])).toBe(false);
  });
});

/** Numbers that look like chance, the same in every run of this test. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}
