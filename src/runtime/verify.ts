import { countIn, findLastInStep } from '../db/queries/compare.ts';
import { getDataset } from '../db/queries/datasets.ts';
import type { Actor } from '../domain/actor.ts';
import { type Comparison, type Difference, rangesOf } from '../domain/comparison.ts';
import { type Dataset, datasetName } from '../domain/dataset.ts';
import { UsageError } from '../domain/errors.ts';
import { kindOf, REQUEST_DEFAULTS } from '../domain/harvest-request.ts';
import { redact } from '../domain/redact.ts';
import type { Span } from '../domain/span.ts';
import { planRepair } from '../producer/plan-repair.ts';
import type { SourceFetch } from '../sources/source.ts';
import { type Compared, compareCopy, type Findings, queryOfAll } from '../workers/compare-copy.ts';
import { compareRanges } from '../workers/sample-ranges.ts';
import { audited } from './audited.ts';
import type { SheafContext } from './context.ts';
import { handOnSettled } from './harvest.ts';
import { reportRun } from './report.ts';

/** A comparison under way, and what it takes to act on it. */
export interface Verification {
  readonly comparison: Comparison;
  readonly compared: Compared;
}

export interface VerifyOptions {
  readonly dataset: Dataset;
  /** Pages to hold against the copy by content. */
  readonly samples: number;
  /** Numbers from 0 to 1, without 1; left out: by chance. */
  readonly random?: () => number;
  readonly mostCounts?: number;
}

/** Holds the copy of a dataset against its source. Throws a UsageError for one that was never harvested. */
export async function verifyDataset(
  { database, reach }: Pick<SheafContext, 'database' | 'reach'>,
  { dataset: asked, random = Math.random, ...options }: VerifyOptions,
): Promise<Verification> {
  const { source, fetch } = reach(asked.source);
  let requests = 0;
  const counted: SourceFetch = async (path, read, fetchOptions) => {
    const fetched = await fetch(path, read, fetchOptions);
    requests += fetched.requests;
    return fetched;
  };
  const entity = await source.check(fetch, asked.entity, REQUEST_DEFAULTS);
  const dataset = datasetName({ source: source.name, entity: entity.name });
  await getDataset(database, dataset);
  const compared = { source, fetch: counted, database, dataset, query: queryOfAll(entity) };
  const findings = await compareCopy(compared, { ...options, random });
  const last = await findLastInStep(database, { dataset, sourceUrl: redact(source.baseUrl) });
  const at = (last?.finishedAt ?? last?.createdAt)?.toISOString() ?? '';
  const lastInStep = last === undefined ? null : { run: last.id, kind: kindOf(last), at };
  const comparison: Comparison = { dataset, state: stateOf(findings), ...findings, requests, lastInStep, repair: null };
  return { comparison, compared: { ...compared, fetch } };
}

function stateOf({ counts, unplaced, differences }: Findings): Comparison['state'] {
  const isCounted = counts.source === null || counts.source === counts.copy + counts.rejected;
  return isCounted && differences.length === 0 && unplaced.source + unplaced.copy === 0 ? 'same' : 'differs';
}

/** More ranges than this are no repair any more: a sweep costs about as much, and finds what is in between, too. */
const MOST_RANGES = 2_000;

/** Plans and enqueues a run over what was found to differ. Returns its id. Throws a UsageError where a repair is no use. */
export async function startRepair(
  context: SheafContext,
  { comparison, compared }: Verification,
  { actor, maxDeletes }: { readonly actor: Actor; readonly maxDeletes: number | null },
): Promise<string> {
  const { dataset, differences, pageSize, requests, strategy } = comparison;
  const ranges = rangesOf(differences).map((range) => ({ ...range, expected: recordsIn(range, differences) }));
  if (strategy !== 'keyset') throw beyondRepair(dataset, 'its records can be read by position only');
  if (ranges.length > MOST_RANGES) throw beyondRepair(dataset, `it differs in ${ranges.length} ranges of keys`);
  const { source, query } = compared;
  const of = { source: source.name, entity: query.entity.name };
  const request = { ...REQUEST_DEFAULTS, dataset: of, out: context.settings.SHEAF_OUT, maxDeletes };
  const work = async () => {
    const run = await planRepair(context, { request, query, ranges, pageSize, requests });
    await handOnSettled(context, run);
    return run;
  };
  const target = { kind: 'dataset', id: dataset } as const;
  const targetOf = (run: string) => ({ kind: 'run', id: run }) as const;
  const details = { dataset, ranges: ranges.length };
  return audited(context.database, { actor, action: 'repair', target, details }, { work, targetOf });
}

function beyondRepair(dataset: string, why: string): UsageError {
  return new UsageError(`${dataset} cannot be repaired in parts, because ${why}. Sweep it: sheaf harvest ${dataset}`, {
    code: 'cannot-repair',
    facts: { dataset },
  });
}

function hasDifference({ source, copy, lacking, gone, edited }: Difference): boolean {
  return lacking === null ? source !== copy : lacking + (gone ?? 0) + (edited ?? 0) > 0;
}

async function countRanges(compared: Compared, ranges: readonly Span[]): Promise<Difference[]> {
  const { source, fetch, query, database, dataset } = compared;
  const counted: Difference[] = [];
  for (const range of ranges) {
    const copy = await countIn(database, dataset, range);
    const count = (await source.count(fetch, query, { ...range, strategy: 'keyset' })) ?? copy;
    counted.push({ ...range, foundBy: 'count', source: count, copy, lacking: null, gone: null, edited: null });
  }
  return counted;
}

function recordsIn({ after, upto }: Span, differences: readonly Difference[]): number {
  return differences
    .filter((each) => each.after >= after && each.upto <= upto)
    .reduce((sum, each) => sum + each.source, 0);
}

/** Ranges of more pages than these are counted again, and not fetched again: the repair has just brought them. */
const NARROW_PAGES = 20;

/** Holds what a repair has fetched against the source once more, and says what is left: all, where nothing was merged. */
export async function verifyRepair(
  { database }: Pick<SheafContext, 'database'>,
  { comparison, compared }: Verification,
  run: string,
): Promise<Comparison> {
  const report = await reportRun(database, run);
  const isMerged = report.state === 'complete' || report.state === 'partial';
  const left = isMerged ? await compareAgain(comparison, compared) : comparison.differences;
  return { ...comparison, repair: { run: report, left } };
}

async function compareAgain({ differences, pageSize }: Comparison, compared: Compared): Promise<Difference[]> {
  const ranges = rangesOf(differences);
  const isNarrow = (range: Span) => recordsIn(range, differences) <= NARROW_PAGES * pageSize;
  const { differences: fetched } = await compareRanges(compared, ranges.filter(isNarrow), pageSize);
  const wide = ranges.filter((range) => !isNarrow(range));
  const counted = await countRanges(compared, wide);
  return [...fetched, ...counted].filter(hasDifference).toSorted((a, b) => a.after - b.after);
}
