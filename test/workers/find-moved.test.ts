import { describe, expect, it } from 'vitest';
import type { Span } from '../../src/domain/span.ts';
import { findMoved } from '../../src/workers/find-moved.ts';

/** Slices of ten keys with ten rows each, of which the source now has more or fewer in some. */
function setUp(count: number, changes: Readonly<Record<number, number>>) {
  const slices = Array.from({ length: count }, (_unused, index) => ({
    number: index + 1,
    span: { after: index * 10, upto: index * 10 + 10 },
    taken: 10,
  }));
  const asked: Span[] = [];
  const countIn = ({ after, upto }: Span) =>
    slices
      .filter(({ span }) => span.after >= after && span.upto <= upto)
      .reduce((sum, { number }) => sum + 10 + (changes[number] ?? 0), 0);
  const search = {
    counted: countIn({ after: 0, upto: count * 10 }),
    count: async (span: Span) => {
      asked.push(span);
      return countIn(span);
    },
    most: 64,
  };
  return { slices: slices.toReversed(), search, asked };
}

describe('the search for slices that differ from their source', () => {
  it.each<[string, Record<number, number>, number]>([
    ['the first', { 1: -1 }, 10],
    ['the last', { 1000: 3 }, 10],
    ['one in the middle', { 517: -10 }, 10],
    ['some that make up for each other in part', { 100: -10, 900: 5 }, 20],
    ['neighbours', { 500: 1, 501: 1 }, 19],
  ])('finds %s of a thousand in a few counts', async (_what, changes, counts) => {
    const { slices, search, asked } = setUp(1_000, changes);
    expect(await findMoved(slices, search)).toEqual(Object.keys(changes).map(Number));
    expect(asked.length).toBeLessThanOrEqual(counts);
  });

  it('asks nothing where nothing differs, and nothing about a single slice', async () => {
    const still = setUp(50, {});
    expect(await findMoved(still.slices, still.search)).toEqual([]);
    const single = setUp(1, { 1: 4 });
    expect(await findMoved(single.slices, single.search)).toEqual([1]);
    expect([...still.asked, ...single.asked]).toEqual([]);
  });

  it('stops asking at its bound, and takes what is left of the stretches that differ as moved', async () => {
    const everywhere = Object.fromEntries(Array.from({ length: 1_000 }, (_unused, index) => [index + 1, 1]));
    const all = setUp(1_000, everywhere);
    expect(await findMoved(all.slices, all.search)).toHaveLength(1_000);
    expect(all.asked).toHaveLength(64);

    const spread = setUp(1_000, { 3: 1, 250: 1, 600: 1, 997: 1 });
    const found = await findMoved(spread.slices, { ...spread.search, most: 12 });
    expect(found).toEqual(expect.arrayContaining([3, 250, 600, 997]));
    expect(found.length).toBeLessThan(1_000);
    expect(spread.asked).toHaveLength(12);
  });

  it('takes a whole stretch as moved when the source stops counting', async () => {
    const { slices, search } = setUp(8, { 2: 1 });
    expect(await findMoved(slices, { ...search, count: async () => null })).toHaveLength(8);
  });

  it('finds something even when the source moves while it is asked', async () => {
    const { slices, search } = setUp(64, { 7: 1 });
    expect(await findMoved(slices, { ...search, count: async () => 10 })).not.toEqual([]);
  });
});
