import type { Reread } from '../db/queries/refetch.ts';
import type { RunRow, SliceRow } from '../db/schema.ts';
import { cutIntoSlices } from '../domain/slice.ts';
import type { Span } from '../domain/span.ts';
import type { Source, SourceFetch, SourceQuery, Survey } from '../sources/source.ts';
import { findMoved } from './find-moved.ts';

/** Rounds in which slices that differ are fetched once more, in one generation: a source that never rests must not keep a run open. */
export const MOST_REREADS = 3;
/** Counts that one search for the slices that differ may cost. */
export const MOST_COUNTS = 64;

/** What a run has brought, as far as the source can be asked about it. */
export interface Brought {
  readonly run: RunRow;
  readonly query: SourceQuery;
  readonly slices: readonly SliceRow[];
  /** Distinct keys and rejects. */
  readonly taken: number;
  readonly rejects: number;
}

/** How what came compares with what the source says now. */
export interface Look {
  /** Records the source counts within what the run covers; null when it does not say. */
  readonly count: number | null;
  /** What is to be read once more before anything is said; null when there is nothing, or no round is left. */
  readonly reread: Reread | null;
  /** Why the counts prove nothing, for a person; null when they agree. */
  readonly reason: string | null;
}

interface Reach {
  readonly source: Source;
  readonly fetch: SourceFetch;
}

/**
 * Asks the source again how many records there are, and, where that is not what came, what has to be read once more.
 * A source that has stood still is asked once.
 */
export async function lookAgain(reach: Reach, brought: Brought): Promise<Look> {
  const { strategy, request, isPlannedWhole, expected } = brought.run;
  // Rows and count came in one answer, which is as much as could be asked for.
  if (isPlannedWhole && expected !== null && expected === brought.taken) return judge(brought, expected);
  if (brought.run.ranges !== null) return lookAtRanges(reach, brought, brought.run.ranges);
  if (request.maxRecords !== null) return lookAtPart(reach, brought);
  return strategy === 'keyset' ? lookAtKeys(reach, brought) : lookAtPositions(reach, brought);
}

/**
 * By keys: the count and the highest key together tell whether there is anything to look into. If so, the rows that came
 * beyond the run's ends are told from those that changed within, and the slices that changed are searched for.
 */
async function lookAtKeys(reach: Reach, brought: Brought): Promise<Look> {
  const { run, query, taken } = brought;
  const { span } = run;
  const now = await reach.source.extent(reach.fetch, query);
  const hasTail = (now.highest ?? span.upto) > span.upto;
  if (now.count === null || (now.count === taken && !hasTail)) return judge(brought, now.count);
  const within = await countWithin(reach, brought, span);
  if (within === null) return judge(brought, null);
  const isBeyond = hasTail || within !== now.count;
  const growth = isBeyond && !run.isExtended ? await findGrowth(reach, brought, within) : null;
  const slices = within !== taken && run.rereads < MOST_REREADS ? await searchMoved(reach, brought, within) : [];
  if (slices.length === 0 && growth === null) {
    const isOutOfReach = !hasTail && now.count > within;
    return (isOutOfReach ? await lookOutOfReach(reach, brought, within) : null) ?? judge(brought, within);
  }
  const unchanged = { added: [], span, expected: run.expected };
  return { count: within, reason: null, reread: { slices, ...(growth ?? unchanged) } };
}

/** Of a repair: each range is counted, and where one differs its slices are fetched once more. What lies outside is not its matter. */
async function lookAtRanges(reach: Reach, brought: Brought, ranges: readonly Span[]): Promise<Look> {
  const { run, query } = brought;
  let count = 0;
  const slices: number[] = [];
  for (const range of ranges) {
    const inRange = await countWithin(reach, brought, range);
    if (inRange === null) return judge(brought, null);
    count += inRange;
    const own = brought.slices.filter(({ span }) => span.after >= range.after && span.upto <= range.upto);
    if (run.rereads < MOST_REREADS) slices.push(...(await searchMoved(reach, { run, query, slices: own }, inRange)));
    else if (inRange !== takenBy(own)) return judge(brought, count);
  }
  if (slices.length === 0) return judge(brought, count);
  return { count, reason: null, reread: { slices, added: [], span: run.span, expected: count } };
}

function takenBy(slices: readonly SliceRow[]): number {
  return slices.reduce((sum, { records, rejects }) => sum + records + rejects, 0);
}

/**
 * Records that the source counts, and no range of keys holds: most likely they have no key. Asked for anew, since a row
 * may have gone between the two counts. Null when there is none.
 */
async function lookOutOfReach({ source, fetch }: Reach, { run, query }: Brought, within: number): Promise<Look | null> {
  const { count, highest } = await source.extent(fetch, query);
  if (count === null || count <= within || (highest ?? run.span.upto) > run.span.upto) return null;
  const reason =
    `the source counts ${count}, but ${count - within} of them lie in no range of keys, most likely because they have none; ` +
    'harvest with --strategy offset, which reads by position';
  return { count, reread: null, reason };
}

function judge({ run, taken, rejects }: Brought, count: number | null): Look {
  if (count === null) return { count, reread: null, reason: NO_COUNT };
  if (count === taken) return { count, reread: null, reason: null };
  const tried =
    run.rereads === 0
      ? ''
      : `, although the slices that differed were fetched once more (rounds: ${run.rereads}, slices in all: ` +
        `${run.rereadSlices}): it changes faster than it can be read, or leaves rows out of its pages`;
  return { count, reread: null, reason: `${differ(count, taken, rejects)}${tried}` };
}

const NO_COUNT = 'the source does not say how many records it has';

function differ(count: number | string, taken: number, rejects: number): string {
  return `the source counts ${count}, but ${taken} came (${rejects} of them rejected)`;
}

function countWithin(
  { source, fetch }: Reach,
  { run, query }: Pick<Brought, 'run' | 'query'>,
  span: Span,
): Promise<number | null> {
  return source.count(fetch, query, { ...span, strategy: run.strategy });
}

async function searchMoved(
  reach: Reach,
  brought: Pick<Brought, 'run' | 'query' | 'slices'>,
  counted: number,
): Promise<number[]> {
  const slices = brought.slices.map(({ number, span, records, rejects }) => ({
    number,
    span,
    taken: records + rejects,
  }));
  return findMoved(slices, { counted, count: (span) => countWithin(reach, brought, span), most: MOST_COUNTS });
}

type Growth = Pick<Reread, 'added' | 'span' | 'expected'>;

/** What came below the run's first key and above its last; null when nothing has. */
async function findGrowth({ source, fetch }: Reach, { run, query }: Brought, within: number): Promise<Growth | null> {
  const survey = await source.survey(fetch, query, 'keyset');
  if (survey.span.after === survey.span.upto) return null; // nothing is left at the source
  const span = {
    after: Math.min(run.span.after, survey.span.after),
    upto: Math.max(run.span.upto, survey.span.upto),
  };
  const head = { after: span.after, upto: run.span.after };
  const tail = { after: run.span.upto, upto: span.upto };
  const pages = pagesOf(survey, within);
  const added = [head, tail].flatMap((end) => (end.after === end.upto ? [] : cutIntoSlices(end, pages)));
  return added.length === 0 ? null : { added, span, expected: survey.expected };
}

function pagesOf({ expected, pageSize }: Survey, within: number): number {
  return Math.max(1, Math.ceil(((expected ?? within) - within) / pageSize));
}

/**
 * By position: any row that comes or goes shifts all that follow, so nothing but equal counts proves anything, and
 * nothing less than everything is fetched once more. A second move is the end of it.
 */
async function lookAtPositions({ source, fetch }: Reach, brought: Brought): Promise<Look> {
  const { run, query, slices, taken, rejects } = brought;
  const count = await source.count(fetch, query);
  if (count === null || run.expected === null) return { count, reread: null, reason: NO_COUNT };
  if (count === run.expected && count === taken) return { count, reread: null, reason: null };
  if (run.rereads === 0) {
    const span = { after: run.span.after, upto: Math.max(run.span.upto, count) };
    const tail = { after: run.span.upto, upto: span.upto };
    const added = tail.after === tail.upto ? [] : cutIntoSlices(tail, Math.ceil((count - tail.after) / run.pageSize));
    return {
      count,
      reason: null,
      reread: { slices: slices.map(({ number }) => number), added, span, expected: count },
    };
  }
  const reason =
    count === run.expected
      ? `${differ(count, taken, rejects)}, although all of it was fetched a second time`
      : `the source counted ${run.expected} before and ${count} after all of it was fetched a second time: a walk by ` +
        'position over a source that changes meanwhile cannot be proved; harvest while it stands still, or by --strategy keyset';
  return { count, reread: null, reason };
}

/** With a limit it is not known which records should have come from a source that moved: between the two counts will do. */
async function lookAtPart(reach: Reach, brought: Brought): Promise<Look> {
  const { run, taken, rejects } = brought;
  const count = await countWithin(reach, brought, run.span);
  if (count === null || run.expected === null) return { count, reread: null, reason: NO_COUNT };
  const [least, most] = [Math.min(run.expected, count), Math.max(run.expected, count)];
  if (taken >= least && taken <= most) return { count, reread: null, reason: null };
  const counted = least === most ? `${least}` : `${run.expected} before and ${count} after`;
  return { count, reread: null, reason: differ(counted, taken, rejects) };
}
