import { describe, expect, it } from 'vitest';
import {
  cutIntoSlices,
  MAX_SLICES,
  MOST_PAGES_PER_SLICE,
  PAGES_PER_SLICE,
  pageBudget,
  shareRest,
  splitRest,
} from '../../src/domain/slice.ts';
import { findGap } from '../../src/domain/span.ts';

describe('a plan', () => {
  it('has no slice for nothing', () => {
    expect(cutIntoSlices({ after: 5, upto: 5 }, 0)).toEqual([]);
  });

  it.each([
    [1, 1],
    [7, 7],
    [16, 16],
    [200, 16],
    [1_000, 50],
    [2_000, 100],
    [4_000, 100],
    [18_400, 368],
    [10_000_000, MAX_SLICES],
  ])('of %i pages has %i slices, without a gap', (pages, slices) => {
    const span = { after: -3, upto: 50_000_000 };
    const cut = cutIntoSlices(span, pages);
    expect(cut).toHaveLength(slices);
    expect(findGap(span, cut)).toBeNull();
  });

  it.each([17, 20, 25, 33, 199, 201, 401, 999])('asks for no page more than there are: %i', (pages) => {
    const cut = cutIntoSlices({ after: 0, upto: pages * 100 }, pages);
    const asked = cut.reduce((sum, { after, upto }) => sum + Math.ceil((upto - after) / 100), 0);
    expect(asked).toBe(pages);
    expect(cut.length).toBeGreaterThanOrEqual(9);
  });

  it('gives a slice ten to fifty pages when there is enough for a fleet', () => {
    const pagesEach = (pages: number) => pages / cutIntoSlices({ after: 0, upto: 1e9 }, pages).length;
    for (const pages of [400, 2_000]) expect(pagesEach(pages)).toBeCloseTo(PAGES_PER_SLICE, 0);
    for (const pages of [5_000, 90_000]) expect(pagesEach(pages)).toBeCloseTo(MOST_PAGES_PER_SLICE, 0);
  });
});

describe('a slice that outgrows its budget', () => {
  it('has had half as many pages again as were planned, and at least four', () => {
    expect(pageBudget(1_000, 50)).toBe(30);
    expect(pageBudget(3, 3)).toBe(4);
    expect(pageBudget(0, 1)).toBe(4);
  });

  it('gives away exactly what is left of it', () => {
    expect(findGap({ after: 40, upto: 101 }, splitRest({ after: 0, upto: 101 }, 40))).toBeNull();
    expect(splitRest({ after: 0, upto: 101 }, 40)).toHaveLength(2);
    expect(splitRest({ after: 0, upto: 101 }, 100)).toEqual([{ after: 100, upto: 101 }]);
    expect(splitRest({ after: 0, upto: 101 }, 101)).toEqual([]);
  });
});

describe('a slice beside slots that stand idle', () => {
  const pace = { pageWidth: 100, pageMs: 110, fetchMs: 100 };
  const rest = { after: 400, upto: 2_000 };

  it('keeps the first part, and gives one to each of them', () => {
    expect(shareRest(rest, 3, pace)).toEqual([
      { after: 800, upto: 1_200 },
      { after: 1_200, upto: 1_600 },
      { after: 1_600, upto: 2_000 },
    ]);
  });

  it('cuts between pages, so that no more of them are asked for', () => {
    expect(shareRest(rest, 5, pace)).toHaveLength(5);
    for (const { after, upto } of shareRest(rest, 5, pace)) expect([after % 100, upto % 100]).toEqual([0, 0]);
    expect(shareRest({ after: 0, upto: 300 }, 7, pace)).toEqual([{ after: 200, upto: 300 }]);
  });

  it('makes parts of two pages', () => {
    expect(shareRest(rest, 31, pace)).toHaveLength(7);
    expect(shareRest({ after: 0, upto: 200 }, 31, { ...pace, pageMs: 1_000, fetchMs: 900 })).toEqual([]);
  });

  it('keeps what is done in a moment', () => {
    expect(shareRest(rest, 3, { ...pace, pageMs: 15, fetchMs: 14 })).toEqual([]);
  });

  it('keeps all where more requests at once would not be answered sooner', () => {
    expect(shareRest(rest, 3, { ...pace, pageMs: 1_600 })).toEqual([]);
  });
});
