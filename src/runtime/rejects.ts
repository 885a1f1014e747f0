import {
  countRejects,
  type ListedReject,
  latestRunWithRejects,
  listRejects,
  type RejectCount,
  runsWithRejects,
} from '../db/queries/rejects.ts';
import type { RunRow } from '../db/schema.ts';
import { datasetName, parseDataset } from '../domain/dataset.ts';
import { UsageError } from '../domain/errors.ts';
import { didYouMean, listNames } from '../domain/nearest.ts';
import { type ReplayOutcome, rejectReasons } from '../domain/record.ts';
import type { SheafContext } from './context.ts';
import { findKnownDataset, findRun } from './inspect.ts';

/** Whose rejects are meant. */
export interface RejectTarget {
  /** A dataset, a run's id, or null where nothing was named and no run has rejects. */
  readonly name: string | null;
  readonly isDataset: boolean;
  /** The newest first. Of a dataset, those that have rejects. */
  readonly runs: readonly RunRow[];
}

/**
 * Finds what was named: a dataset (`oda/Sag`), a run, or, by nothing, the newest run that has rejects. Throws a
 * UsageError for a dataset or run that does not exist.
 */
export async function findRejects(context: SheafContext, reference: string | undefined): Promise<RejectTarget> {
  const { database } = context;
  if (reference?.includes('/')) {
    const name = datasetName(parseDataset(reference));
    await findKnownDataset(context, name);
    return { name, isDataset: true, runs: await runsWithRejects(database, name) };
  }
  const run = reference === undefined ? await latestRunWithRejects(database) : await findRun(context, reference);
  return { name: run?.id ?? null, isDataset: false, runs: run === undefined ? [] : [run] };
}

/** One reject, for people and for `--json`; times are ISO 8601. Scripts rely on these names. */
export interface RejectFacts {
  readonly id: number;
  readonly run: string;
  readonly dataset: string;
  readonly slice: number;
  readonly key: string | null;
  readonly reason: string;
  readonly detail: string;
  readonly rejectedAt: string;
  /** When it was last replayed; null when it was not. */
  readonly replayedAt: string | null;
  readonly outcome: ReplayOutcome | null;
}

/** What may be shown of a reject, whatever it is shown as. */
export function factsOf(row: ListedReject): RejectFacts {
  const { id, key, reason, detail, dataset, outcome } = row;
  const rejectedAt = row.createdAt.toISOString();
  const replayedAt = row.replayedAt?.toISOString() ?? null;
  return { id, run: row.runId, dataset, slice: row.sliceNumber, key, reason, detail, rejectedAt, replayedAt, outcome };
}

/** How many rejects have a reason. */
export interface ReasonCount {
  readonly reason: string;
  readonly rejects: number;
  /** Of these, neither taken nor superseded by now. */
  readonly open: number;
}

/** What `sheaf rejects list --json` prints. Scripts rely on these names. */
export interface RejectList {
  readonly of: string | null;
  readonly total: number;
  readonly reasons: readonly ReasonCount[];
  /** The newest, as many as were asked for. */
  readonly rejects: readonly RejectFacts[];
}

export async function listRejectsOf(
  context: SheafContext,
  target: RejectTarget,
  { reason, limit }: { readonly reason: string | null; readonly limit: number },
): Promise<RejectList> {
  const { database } = context;
  const counts = await countMatching(context, target, reason);
  const filter = { runs: target.runs.map((run) => run.id), reason };
  const rows = filter.runs.length === 0 ? [] : await listRejects(database, filter, limit);
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  return { of: target.name, total, reasons: byReason(counts), rejects: rows.map(factsOf) };
}

/**
 * Counts a target's rejects. Throws a UsageError for a reason that is neither one of Sheaf's nor that of any of them:
 * a slip of the pen must not look like a dataset without a flaw.
 */
export async function countMatching(
  { database }: Pick<SheafContext, 'database'>,
  target: RejectTarget,
  reason: string | null,
): Promise<readonly RejectCount[]> {
  const runs = target.runs.map((run) => run.id);
  const counts = runs.length === 0 ? [] : await countRejects(database, { runs, reason: null });
  const known = [...new Set([...rejectReasons, ...counts.map((each) => each.reason)])];
  if (reason === null || known.includes(reason)) {
    return counts.filter((each) => reason === null || each.reason === reason);
  }
  throw new UsageError(
    `"${reason}" is no reason that rejects have.${didYouMean(reason, known)} There are: ${listNames(known)}.`,
    { code: 'unknown-reason', facts: { asked: reason } },
  );
}

/** Whether a reject may be replayed: it was neither taken nor superseded. */
export function isOpen({ outcome }: Pick<RejectCount, 'outcome'>): boolean {
  return outcome === null || outcome === 'rejected';
}

function byReason(counts: readonly RejectCount[]): ReasonCount[] {
  const reasons = new Map<string, ReasonCount>();
  for (const each of counts) {
    const { rejects, open } = reasons.get(each.reason) ?? { rejects: 0, open: 0 };
    const grown = { rejects: rejects + each.count, open: open + (isOpen(each) ? each.count : 0) };
    reasons.set(each.reason, { reason: each.reason, ...grown });
  }
  return [...reasons.values()].toSorted((a, b) => b.rejects - a.rejects);
}
