import { cutSpan, type Span } from './span.ts';

export const sliceStates = ['pending', 'working', 'done', 'failed'] as const;
export type SliceState = (typeof sliceStates)[number];

/** How many pages a slice should take at least: large enough that a job costs little, small enough to share out and repeat. */
export const PAGES_PER_SLICE = 20;
/** What it takes in a large run, whose queue is to stay small. */
export const MOST_PAGES_PER_SLICE = 50;
/** From so many slices on they get larger before they get more. */
const ENOUGH_SLICES = 100;
/** A run never has many more slices than this at plan time, however large it is: ledger and queue stay small. */
export const MAX_SLICES = 5_000;
/** A run is cut into at least this many slices when it has the pages for it, so that a small fleet is kept busy. */
export const MIN_SLICES = 16;

/**
 * Cuts what is to be harvested into slices. Returns no slice for an empty span. Each has a whole number of pages where
 * keys have no gaps: the page that is begun at the end of a slice costs a request as any other does.
 */
export function cutIntoSlices(span: Span, pages: number): Span[] {
  const wanted = Math.ceil(pages / pagesPerSlice(pages));
  const most = Math.min(MAX_SLICES, Math.max(wanted, Math.min(MIN_SLICES, pages), 1));
  const pagesEach = Math.ceil(pages / most);
  const width = Math.ceil(((span.upto - span.after) * Math.max(1, pagesEach)) / Math.max(1, pages));
  return cutByWidth(span, width);
}

function pagesPerSlice(pages: number): number {
  return Math.min(MOST_PAGES_PER_SLICE, Math.max(PAGES_PER_SLICE, pages / ENOUGH_SLICES));
}

function cutByWidth({ after, upto }: Span, width: number): Span[] {
  const spans: Span[] = [];
  for (let from = after; from < upto; from += width) spans.push({ after: from, upto: Math.min(from + width, upto) });
  return spans;
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

/** Less than this is worked off before others have begun with a part of it. */
const WORTH_SHARING_MS = 250;
/** Pages that a part should have: one alone would cost about as much to hand on as to fetch. */
const LEAST_PART = 2;
/**
 * Pages follow each other within so many latencies where nothing but the source is waited for: half of them wait for
 * the requests of other slices, because a process has more slices at hand than requests under way.
 */
const BOUND_BY_LATENCY = 2;

/** How a slice has been walked so far. */
export interface Pace {
  /** Keys or positions that a page takes on average. */
  readonly pageWidth: number;
  /** From one page to the next on average, and how long its request took of that. */
  readonly pageMs: number;
  readonly fetchMs: number;
}

/**
 * What a slice gives away to slots that stand idle because nothing else is left: a part for each of them, in whole pages
 * where keys have no gaps; the first part it keeps. Nothing where that would not be quicker: when little is left, and
 * when it is the rate, or this process, that is waited for, and not the source's latency.
 */
export function shareRest(rest: Span, idleSlots: number, { pageWidth, pageMs, fetchMs }: Pace): Span[] {
  const width = rest.upto - rest.after;
  const pages = Math.ceil(width / Math.max(1, pageWidth));
  if (pages * pageMs < WORTH_SHARING_MS || pageMs > BOUND_BY_LATENCY * fetchMs) return [];
  const pagesEach = Math.max(LEAST_PART, Math.ceil(pages / (idleSlots + 1)));
  return cutByWidth(rest, Math.ceil((width / pages) * pagesEach)).slice(1);
}
