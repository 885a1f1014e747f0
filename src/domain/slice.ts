import { cutSpan, type Span } from './span.ts';

export const sliceStates = ['pending', 'working', 'done', 'failed'] as const;
export type SliceState = (typeof sliceStates)[number];

/** How many pages a slice should take: large enough that a job costs little, small enough to share out and repeat. */
export const PAGES_PER_SLICE = 20;
/** A run never has many more slices than this at plan time, however large it is: ledger and queue stay small. */
export const MAX_SLICES = 5_000;
/** A run is cut into at least this many slices when it has the pages for it, so that a small fleet is kept busy. */
export const MIN_SLICES = 16;

/**
 * Cuts what is to be harvested into slices. Returns no slice for an empty span. Each has a whole number of pages where
 * keys have no gaps: the page that is begun at the end of a slice costs a request as any other does.
 */
export function cutIntoSlices(span: Span, pages: number): Span[] {
  const wanted = Math.ceil(pages / PAGES_PER_SLICE);
  const most = Math.min(MAX_SLICES, Math.max(wanted, Math.min(MIN_SLICES, pages), 1));
  const pagesEach = Math.ceil(pages / most);
  const width = Math.ceil(((span.upto - span.after) * Math.max(1, pagesEach)) / Math.max(1, pages));
  const slices: Span[] = [];
  for (let after = span.after; after < span.upto; after += width)
    slices.push({ after, upto: Math.min(after + width, span.upto) });
  return slices;
}

/**
 * After how many pages a slice ends early and gives its rest away as new slices: half as many again as were planned for
 * it, since rounding alone must not split, and never fewer than four.
 */
export function pageBudget(pages: number, sliceCount: number): number {
  return Math.max(4, Math.ceil((1.5 * pages) / Math.max(1, sliceCount)));
}

/**
 * What a slice that has used up its budget gives away. Keys are unevenly spread, so where the rest is dense is not
 * known: it is halved, and a half that is dense again will split again. No slice ever takes more than its budget, and
 * the number of slices that share a dense stretch doubles with each of them that ends.
 */
export function splitRest(span: Span, cursor: number): Span[] {
  return cutSpan({ after: cursor, upto: span.upto }, 2);
}
