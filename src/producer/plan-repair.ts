import type { HarvestRequest } from '../domain/harvest-request.ts';
import { MAX_SLICES, PAGES_PER_SLICE } from '../domain/slice.ts';
import { cutSpan, hullOf, type Span } from '../domain/span.ts';
import type { SourceQuery } from '../sources/source.ts';
import { carryOut, nameRun, type ProducerContext } from './plan-run.ts';

export interface Repair {
  readonly request: HarvestRequest;
  readonly query: SourceQuery;
  /** What is to be fetched anew, in key order; ranges do not touch. */
  readonly ranges: readonly (Span & { readonly expected: number })[];
  readonly pageSize: number;
  /** Requests that it took to find out. */
  readonly requests: number;
}

/**
 * Plans a run over nothing but ranges of keys, and hands it to the queue. It is worked, proved and merged like any other,
 * and may delete within its ranges. It says nothing of the rest, and so leaves the watermark where it is. Returns its id.
 */
export async function planRepair(context: ProducerContext, repair: Repair): Promise<string> {
  const { request, query, pageSize, requests } = repair;
  const ranges = repair.ranges.map(({ after, upto }) => ({ after, upto }));
  const slices = repair.ranges.flatMap((range) => cutSpan(range, slicesFor(range.expected / pageSize, ranges.length)));
  const expected = repair.ranges.reduce((sum, range) => sum + range.expected, 0);
  const survey = { strategy: 'keyset', span: hullOf(ranges), expected, pageSize, whole: null } as const;
  const pages = Math.ceil(expected / pageSize);
  const plan = { query, survey, sourceLatest: null, slices, ranges, pages, requests };
  return carryOut(context, { request, id: nameRun() }, plan);
}

/** Of so many ranges, each has its share of the slices that a run may have. */
function slicesFor(pages: number, ranges: number): number {
  return Math.max(1, Math.min(Math.ceil(pages / PAGES_PER_SLICE), Math.floor(MAX_SLICES / ranges)));
}
