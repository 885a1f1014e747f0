import type { Database } from '../db/database.ts';
import { type Cell, countCopy, readCells } from '../db/queries/compare.ts';
import type { Comparison, Difference } from '../domain/comparison.ts';
import { REQUEST_DEFAULTS } from '../domain/harvest-request.ts';
import type { Entity } from '../domain/record.ts';
import type { Span } from '../domain/span.ts';
import type { Source, SourceFetch, SourceQuery, Survey } from '../sources/source.ts';
import { findDiffering, type Stretch, type TakenSlice } from './find-moved.ts';
import { samplePositions } from './sample-positions.ts';
import { sampleRanges } from './sample-ranges.ts';

/** Counts that the search for ranges may cost: at five requests a second, some forty seconds. */
export const MOST_COUNTS = 200;
/** A copy is cut into no more cells than this, so that its map stays small; its cells then hold several pages. */
const MOST_CELLS = 50_000;

export interface Compared {
  readonly source: Source;
  readonly fetch: SourceFetch;
  readonly database: Database;
  readonly dataset: string;
  readonly query: SourceQuery;
}

export interface CompareOptions {
  /** How many pages to hold against the copy; more than there are for all. */
  readonly samples: number;
  /** Numbers from 0 to 1, without 1. */
  readonly random: () => number;
  readonly mostCounts?: number;
}

/** What a comparison finds; how it was reached is added by who asked for it. */
export type Findings = Pick<
  Comparison,
  'strategy' | 'counts' | 'unplaced' | 'differences' | 'isBounded' | 'sampled' | 'pageSize'
>;

/** Everything that an entity has. */
export function queryOfAll(entity: Entity): SourceQuery {
  return { entity, selection: REQUEST_DEFAULTS };
}

/**
 * Holds a copy against its source: counts and ends of keys first, which takes two requests when all is well; where they
 * differ, ranges of keys are halved until they are about a page; and of what counts alike, some pages by content.
 */
export async function compareCopy(compared: Compared, options: CompareOptions): Promise<Findings> {
  const { source, fetch, query } = compared;
  const survey = await source.survey(fetch, query, null);
  return survey.strategy === 'keyset'
    ? compareKeys(compared, survey, options)
    : comparePositions(compared, survey, options);
}

async function compareKeys(compared: Compared, survey: Survey, options: CompareOptions): Promise<Findings> {
  const { database, dataset, query, source, fetch } = compared;
  const { span, pageSize, expected } = survey;
  const size = pageSize * Math.max(1, Math.ceil((expected ?? 0) / pageSize / MOST_CELLS));
  const cells = await readCells(database, dataset, { size, span });
  const { live, unplaced } = await countCopy(database, dataset);
  const rejected = cells.reduce((sum, cell) => sum + cell.rejected, 0);
  const map = mapCells(cells, span);
  const count = (within: Span) => source.count(fetch, query, { ...within, strategy: 'keyset' });
  const countAll = () => source.count(fetch, query);
  const { stretches, isBounded, reachable, unreachable } = await search(
    map,
    { span, expected },
    { count, countAll, options },
  );
  const differing = new Set(stretches.flatMap(({ slices }) => slices.map(({ number }) => number)));
  const alike = map.among.filter(({ number }) => !differing.has(number)).map((cell) => cell.span);
  const samples = await sampleRanges(compared, { ranges: alike, pageSize, ...options });
  const differences = [...stretches.map(counted), ...samples.differences].toSorted((a, b) => a.after - b.after);
  return {
    strategy: 'keyset',
    counts: { source: reachable === null ? expected : reachable + unreachable, copy: live, rejected },
    unplaced: { source: unreachable, copy: unplaced },
    differences,
    isBounded,
    sampled: samples.sampled,
    pageSize,
  };
}

/** The cells of a copy over the span of the source's keys, and those of its cells that lie outside. */
interface CellMap {
  /** Beyond the source's ends, where it has no records: below its first key, above its last one. */
  readonly outside: readonly (readonly TakenSlice[])[];
  /** Before the copy's first key and behind its last one, where the source has keys. */
  readonly ends: readonly TakenSlice[];
  readonly among: readonly TakenSlice[];
}

/** Makes neighbours of cells: each begins where the one before it ends. */
function mapCells(cells: readonly Cell[], span: Span): CellMap {
  const outside = { below: [] as TakenSlice[], above: [] as TakenSlice[] };
  const among: TakenSlice[] = [];
  const ends: TakenSlice[] = [];
  const inside = cells.filter(({ segment }) => segment === 'among');
  let reached = span.after;
  for (const [index, { segment, lowest, highest, taken }] of cells.entries()) {
    if (segment !== 'among')
      outside[segment].push({ number: index, span: { after: lowest - 1, upto: highest }, taken });
    else {
      if (among.length === 0 && lowest - 1 > span.after) {
        ends.push({ number: cells.length, span: { after: span.after, upto: lowest - 1 }, taken: 0 });
        reached = lowest - 1;
      }
      among.push({ number: index, span: { after: reached, upto: highest }, taken });
      reached = highest;
    }
  }
  const tail = inside.at(-1)?.highest ?? span.after;
  if (tail < span.upto) ends.push({ number: cells.length + 1, span: { after: tail, upto: span.upto }, taken: 0 });
  return { outside: [outside.below, outside.above].filter((side) => side.length > 0), ends, among };
}

interface Searching {
  readonly count: (within: Span) => Promise<number | null>;
  readonly countAll: () => Promise<number | null>;
  readonly options: CompareOptions;
}

interface SearchResult {
  readonly stretches: readonly Stretch[];
  readonly isBounded: boolean;
  /** Records that the source counts within its ends; null when it was not asked. */
  readonly reachable: number | null;
  /** Records that it counts besides: no range of keys holds them. */
  readonly unreachable: number;
}

/** Nothing is asked where total and ends agree. Of a source that does not count, only its ends can be compared. */
async function search(
  { outside, ends, among }: CellMap,
  { span, expected }: { readonly span: Span; readonly expected: number | null },
  { count, countAll, options }: Searching,
): Promise<SearchResult> {
  const gone = outside.map((slices) => ({ slices, counted: 0 }));
  const unasked = { isBounded: false, reachable: null, unreachable: 0 };
  if (expected === null) return { ...unasked, stretches: [...gone, ...ends.map(atLeastOne)] };
  if (ends.length === 0 && expected === sumOf(among)) return { ...unasked, stretches: gone };
  const within = span.after === span.upto ? 0 : ((await count(span)) ?? expected);
  const total = within === expected ? within : ((await countAll()) ?? expected); // a row may have come or gone between the two
  const came = await countEach(ends, count);
  const counted = within - came.reduce((sum, stretch) => sum + stretch.counted, 0);
  const most = options.mostCounts ?? MOST_COUNTS;
  const found = await findDiffering([{ slices: among, counted }], { count, most });
  const stretches = [...gone, ...came.filter((stretch) => stretch.counted > 0), ...found.stretches];
  return { stretches, isBounded: found.isBounded, reachable: within, unreachable: Math.max(0, total - within) };
}

/** An end of the source's keys has a record in it: the first one, or the last one. */
function atLeastOne(end: TakenSlice): Stretch {
  return { slices: [end], counted: 1 };
}

async function countEach(cells: readonly TakenSlice[], count: Searching['count']): Promise<Stretch[]> {
  const stretches: Stretch[] = [];
  for (const cell of cells) stretches.push({ slices: [cell], counted: (await count(cell.span)) ?? 0 });
  return stretches;
}

function sumOf(cells: readonly TakenSlice[]): number {
  return cells.reduce((sum, { taken }) => sum + taken, 0);
}

function counted({ slices, counted: source }: Stretch): Difference {
  const after = Math.min(...slices.map(({ span }) => span.after));
  const upto = Math.max(...slices.map(({ span }) => span.upto));
  const unknown = { lacking: null, gone: null, edited: null };
  return { after, upto, foundBy: 'count', source: Math.max(0, source), copy: sumOf(slices), ...unknown };
}

/** Keys without an order: the count is all that can be told of the whole, and pages of it are held against the copy by position. */
async function comparePositions(compared: Compared, survey: Survey, options: CompareOptions): Promise<Findings> {
  const { live } = await countCopy(compared.database, compared.dataset);
  const { differences, sampled, rejected } = await samplePositions(compared, { survey, ...options });
  return {
    strategy: 'offset',
    counts: { source: survey.expected, copy: live, rejected },
    unplaced: { source: 0, copy: 0 },
    differences,
    isBounded: false,
    sampled,
    pageSize: survey.pageSize,
  };
}
