import {
  type ChangeCounts,
  type ChangeFilter,
  changesKnownFrom,
  countChanges,
  newestChangingRun,
  readChanges,
} from '../db/queries/changes.ts';
import { datasetName, parseDataset } from '../domain/dataset.ts';
import { UsageError } from '../domain/errors.ts';
import { relatedEntities } from '../domain/relations.ts';
import type { SheafContext } from './context.ts';
import { findKnownDataset, findRun, type RunRow } from './inspect.ts';

export { type ChangeKind, changeKinds } from '../db/queries/changes.ts';

/** One change, as `sheaf changes --json` prints it. Scripts rely on these names. */
export interface ChangeFacts {
  /** When it was merged, to the microsecond, in UTC. */
  readonly at: string;
  readonly dataset: string;
  readonly key: string;
  readonly kind: 'insert' | 'update' | 'delete';
  readonly run: string;
  /** Of an update, the fields that differ. */
  readonly fields: readonly string[] | null;
  /** The key of the record that this one came back as, or was. */
  readonly otherKey: string | null;
  /** The record as it was; null for an insert. */
  readonly before: Readonly<Record<string, unknown>> | null;
}

export interface ChangesAsked {
  readonly dataset: string;
  readonly since: Date | null;
  /** A run, as people name it. */
  readonly run: string | null;
  readonly kind: ChangeFilter['kind'];
}

export interface ChangesFound {
  readonly filter: ChangeFilter;
  /** None of them can be older; null for what has no bound. */
  readonly from: Date | null;
}

/**
 * What has been asked for; by neither a moment nor a run, what the last merge that changed anything has changed. Throws a
 * UsageError for a dataset that was never harvested, and for a run of another one.
 */
export async function findChanges(context: SheafContext, asked: ChangesAsked): Promise<ChangesFound> {
  const dataset = datasetName(parseDataset(asked.dataset));
  await findKnownDataset(context, dataset);
  const named = asked.run === null ? null : await findRun(context, asked.run);
  if (named !== null) requireRunOf(named, dataset);
  const newest = asked.since === null && named === null ? await newestChangingRun(context.database, dataset) : null;
  const filter = { dataset, since: asked.since, run: named?.id ?? newest ?? null, kind: asked.kind };
  return { filter, from: asked.since ?? named?.createdAt ?? null };
}

/** A run changes its own dataset, and those that its relations lead to. */
function requireRunOf(run: RunRow, dataset: string): void {
  const { source } = run.request.dataset;
  const related = relatedEntities(run.expand ?? []).map(({ name }) => datasetName({ source, entity: name }));
  const changed = [...new Set([run.dataset, ...related])];
  if (changed.includes(dataset)) return;
  throw new UsageError(`Run ${run.id} is of ${changed.join(', ')}, not of ${dataset}.`, {
    code: 'run-of-another',
    facts: { run: run.id, dataset },
  });
}

export interface ChangeSummary {
  readonly counts: ChangeCounts;
  /** Changes before this are not known. */
  readonly knownFrom: Date;
}

export async function summariseChanges({ database }: SheafContext, filter: ChangeFilter): Promise<ChangeSummary> {
  return { counts: await countChanges(database, filter), knownFrom: await changesKnownFrom(database) };
}

/** The changes in the order in which they were merged, each as one JSON text (`ChangeFacts`). */
export async function* changeTexts(
  { database }: SheafContext,
  filter: ChangeFilter,
  limit: number | null,
): AsyncGenerator<string> {
  for await (const texts of readChanges(database, filter, limit)) yield* texts;
}
