import type { Span } from '../domain/span.ts';

/** A slice, and how many rows it has brought: records and rejects. */
export interface TakenSlice {
  readonly number: number;
  readonly span: Span;
  readonly taken: number;
}

export interface Search {
  /** What the source counts in all of the slices together. */
  readonly counted: number;
  /** How many rows the source has in a span now; null when it does not say any more. */
  readonly count: (within: Span) => Promise<number | null>;
  /** How often it may be asked. */
  readonly most: number;
}

/** Neighbouring slices, and what the source counts in them. */
export interface Stretch {
  readonly slices: readonly TakenSlice[];
  readonly counted: number;
}

/**
 * Which slices hold another number of rows than the source counts there: halves the run's slices in key order, and goes
 * on with those halves whose count differs. One count tells of two halves, so d slices that differ among n cost about
 * d·log2(n) counts. When the counts are used up, all slices of every stretch that still differs are returned; the widest
 * stretches are halved first, so that those are short.
 */
export async function findMoved(slices: readonly TakenSlice[], { counted, ...search }: Search): Promise<number[]> {
  const sorted = slices.toSorted((a, b) => a.span.after - b.span.after);
  const { stretches } = await findDiffering([{ slices: sorted, counted }], search);
  return stretches.flatMap((stretch) => stretch.slices.map(({ number }) => number)).toSorted((a, b) => a - b);
}

/** The shortest stretches that differ, as far as the counts went; `isBounded` when they did not go far enough. */
export async function findDiffering(
  all: readonly Stretch[],
  { count, most }: Omit<Search, 'counted'>,
): Promise<{ stretches: Stretch[]; isBounded: boolean }> {
  const stretches: Stretch[] = [];
  const open = [...all];
  let left = most;
  let isBounded = false;
  for (let stretch = open.shift(); stretch !== undefined; stretch = open.shift()) {
    if (!hasMoved(stretch)) continue;
    const isShortest = stretch.slices.length === 1;
    if (!isShortest && left === 0) isBounded = true;
    const isEnd = isShortest || left === 0;
    if (!isEnd) left -= 1;
    const halves = isEnd ? null : await halve(stretch, count);
    if (halves === null) stretches.push(stretch);
    else open.push(...halves);
  }
  return { stretches, isBounded };
}

function hasMoved({ slices, counted }: Stretch): boolean {
  return slices.length > 0 && counted !== slices.reduce((sum, { taken }) => sum + taken, 0);
}

/** Null when the source does not say. */
async function halve({ slices, counted }: Stretch, count: Search['count']): Promise<Stretch[] | null> {
  const middle = Math.ceil(slices.length / 2);
  const [low, high] = [slices.slice(0, middle), slices.slice(middle)];
  const [first, last] = [low.at(0), low.at(-1)];
  if (first === undefined || last === undefined) return null;
  const inLow = await count({ after: first.span.after, upto: last.span.upto });
  if (inLow === null) return null;
  return [
    { slices: low, counted: inLow },
    { slices: high, counted: counted - inLow },
  ];
}
