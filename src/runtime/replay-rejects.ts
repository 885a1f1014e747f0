import { type ReplayCounts, replayBatch } from '../db/queries/replay.ts';
import type { RunRow } from '../db/schema.ts';
import { datasetName } from '../domain/dataset.ts';
import { UsageError } from '../domain/errors.ts';
import type { Entity } from '../domain/record.ts';
import { redact } from '../domain/redact.ts';
import { relatedEntities } from '../domain/relations.ts';
import type { ReplayedRun, ReplayReport } from '../domain/replay-report.ts';
import { isSourceOf } from '../workers/work-context.ts';
import type { SheafContext } from './context.ts';
import { countMatching, isOpen, type RejectTarget } from './rejects.ts';

/** Why a run's rejects cannot be replayed: completes "Run … ". */
interface Refusal {
  readonly code: string;
  readonly why: string;
}

export interface ReplayOptions {
  readonly reason: string | null;
  readonly isDryRun: boolean;
}

/**
 * Takes anew, with today's code, what a run or a dataset's runs rejected: each record is normalised again, and merged
 * if it can be taken now and nothing newer is known of it. A run that cannot be replayed is a UsageError when it was
 * named, and skipped among the runs of a dataset. Safe to run again, and by several at once.
 */
export async function replayRejects(
  context: SheafContext,
  target: RejectTarget,
  options: ReplayOptions,
): Promise<ReplayReport> {
  const counts = (await countMatching(context, target, options.reason)).filter(isOpen);
  const runs: ReplayedRun[] = [];
  const skipped: ReplayReport['skipped'][number][] = [];
  for (const run of target.runs) {
    const rejects = sum(counts.filter((each) => each.run === run.id).map(({ count }) => count));
    if (target.isDataset && rejects === 0) continue;
    const result = await replayRun(context, run, options);
    if (!('why' in result)) runs.push(result);
    else if (target.isDataset) skipped.push({ run: run.id, rejects, reason: result.why });
    else throw refusalError(run, result);
  }
  const total = {
    taken: sum(runs.map(({ taken }) => taken)),
    superseded: sum(runs.map(({ superseded }) => superseded)),
    rejected: sum(runs.map(({ rejected }) => rejected)),
  };
  return { of: target.name, dryRun: options.isDryRun, ...total, runs, skipped };
}

async function replayRun(context: SheafContext, run: RunRow, options: ReplayOptions): Promise<ReplayedRun | Refusal> {
  const { source } = context.reach(run.request.dataset.source);
  const refusal = whyNot(run, source.baseUrl);
  if (refusal !== null) return refusal;
  let total: ReplayCounts = { taken: 0, superseded: 0, rejected: 0 };
  const nested = relatedEntities(run.expand ?? []).map((entity) => ({
    entity,
    related: datasetName({ source: source.name, entity: entity.name }),
  }));
  for (const part of [{ entity: run.entity, related: null }, ...nested]) {
    const counts = await replayPart(context, run, { ...options, ...part });
    if ('why' in counts) return counts;
    total = plus(total, counts);
  }
  return { run: run.id, dataset: run.dataset, ...total };
}

interface ReplayPart extends ReplayOptions {
  readonly entity: Entity;
  /** The dataset of nested records; null for the run's own. */
  readonly related: string | null;
}

async function replayPart(
  { database, reach }: SheafContext,
  run: RunRow,
  { entity, related, reason, isDryRun }: ReplayPart,
): Promise<ReplayCounts | Refusal> {
  const { source } = reach(run.request.dataset.source);
  const normalise = (text: string) => source.normalise(entity, text);
  let total: ReplayCounts = { taken: 0, superseded: 0, rejected: 0 };
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    const result = await replayBatch(database, { run, related, reason, before, normalise, isDryRun });
    if (result.kind === 'done') return total;
    if (result.kind === 'reopened')
      return { code: 'cannot-replay', why: 'was set going again meanwhile; replay its rejects when it has ended' };
    total = plus(total, result.counts);
    before = result.before;
  }
}

/** Nothing of a run is in the table before its merge (and of a selection never); a reject must not get ahead of it. */
function whyNot(run: RunRow, baseUrl: string): Refusal | null {
  if (run.request.select !== null) {
    const why = 'was harvested with --select: it goes into files only, and so do its rejects';
    return { code: 'cannot-replay', why };
  }
  if (run.request.keysOnly) {
    const why = 'was harvested with --keys-only: its rejects are keys without content';
    return { code: 'cannot-replay', why };
  }
  if ((run.state !== 'complete' && run.state !== 'partial') || run.mergedGeneration !== run.generation) {
    const why = `is ${run.state}; only rejects of a run that ended complete or partial can be replayed`;
    return { code: 'cannot-replay', why };
  }
  if (isSourceOf({ baseUrl }, run)) return null;
  const why = `was planned from ${run.sourceUrl}, and the source is set to ${redact(baseUrl)} now`;
  return { code: 'other-source', why };
}

function refusalError(run: RunRow, { code, why }: Refusal): UsageError {
  return new UsageError(`Run ${run.id} ${why}.`, { code, facts: { run: run.id, state: run.state } });
}

function plus(a: ReplayCounts, b: ReplayCounts): ReplayCounts {
  return {
    taken: a.taken + b.taken,
    superseded: a.superseded + b.superseded,
    rejected: a.rejected + b.rejected,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
