import { kindOf } from '../../domain/harvest-request.ts';
import type { RelatedReport, RunReport } from '../../domain/report.ts';
import { stillExpected } from '../../domain/run.ts';
import { type SliceState, sliceStates } from '../../domain/slice.ts';
import type { Database } from '../database.ts';
import type { RunRow } from '../schema.ts';
import { listDrift } from './drift.ts';
import { listExports } from './exports.ts';
import { type GateState, readGate } from './gates.ts';
import { countRelatedRejects } from './related.ts';
import { getRun } from './runs.ts';
import { type SliceTotals, sliceTotals } from './slices.ts';
import { listLiveWorkers } from './workers.ts';

/** What is to be said of a run, ended or not. Throws a UsageError for one that is not there. */
export async function reportRun(database: Database, id: string): Promise<RunReport> {
  const run = await getRun(database, id);
  const totals = await sliceTotals(database, id);
  const exports = await listExports(database, { run: id, generation: run.generation });
  const related = await reportRelated(database, run);
  return { ...summariseRun(run, totals), exports, related, drift: await listDrift(database, id) };
}

/** What came of records that came nested. Empty before the merge, and where the run follows no relations. */
export async function reportRelated({ pool }: Database, run: RunRow): Promise<RelatedReport[]> {
  const merged = run.mergedGeneration === run.generation ? (run.merge?.related ?? []) : [];
  if (merged.length === 0) return [];
  const rejects = await countRelatedRejects(pool, run.id);
  return merged.map(({ dataset, records, inserted, updated, unchanged }) => {
    return { dataset, records, inserted, updated, unchanged, rejected: rejects.get(dataset) ?? 0 };
  });
}

/** A run's report but for its files, its drift and what came nested, from its row and the sums over its slices. */
export function summariseRun(
  run: RunRow,
  totals: Pick<SliceTotals, 'records' | 'pages' | 'requests' | 'retries' | 'rejects'>,
): Omit<RunReport, 'exports' | 'drift' | 'related'> {
  const merge = run.mergedGeneration === run.generation ? run.merge : null;
  return {
    run: run.id,
    dataset: run.dataset,
    kind: kindOf(run),
    state: run.state,
    reason: run.reason,
    expected: stillExpected(run, totals.records + totals.rejects),
    records: run.proof?.distinctKeys ?? totals.records,
    pages: totals.pages,
    requests: totals.requests + run.planRequests,
    retries: totals.retries,
    inserted: merge?.inserted ?? 0,
    updated: merge?.updated ?? 0,
    unchanged: merge?.unchanged ?? 0,
    deleted: merge?.deleted ?? 0,
    rekeyed: merge?.rekeyed ?? 0,
    rejected: totals.rejects,
    deletesWithheld: run.proof?.deletesWithheld ?? null,
    ahead: run.proof?.ahead ?? null,
    durationMs: (run.finishedAt ?? new Date()).getTime() - run.createdAt.getTime(),
    error: run.error,
  };
}

/** What there is to say of a run beyond its report. */
export interface RunDetails {
  readonly report: RunReport;
  readonly run: RunRow;
  readonly slices: Readonly<Record<SliceState, number>>;
  readonly failures: readonly { readonly slice: number; readonly message: string }[];
  readonly workers: readonly {
    readonly id: number;
    readonly host: string;
    readonly pid: number;
    readonly slices: number;
  }[];
  /** The gate of the run's source, as the fleet shares it. */
  readonly gate: GateState;
  /** When the run last staged a page; null when it has not yet. */
  readonly lastPageAt: Date | null;
}

export async function inspectRun(database: Database, run: RunRow): Promise<RunDetails> {
  const states = await countStates(database, run.id);
  const held = await countHeld(database, run.id);
  const workers = (await listLiveWorkers(database)).map(({ id, host, pid }) => {
    return { id, host, pid, slices: held.get(id) ?? 0 };
  });
  const lastPageAt = states.reduce<Date | null>(
    (last, { stagedAt }) => (stagedAt !== null && (last === null || stagedAt > last) ? stagedAt : last),
    null,
  );
  return {
    report: await reportRun(database, run.id),
    run,
    slices: sliceCounts(states),
    failures: await listFailures(database, run.id),
    workers,
    gate: await readGate(database, run.request.dataset.source),
    lastPageAt,
  };
}

interface StateCount {
  readonly state: SliceState;
  readonly count: number;
  /** When one of them last staged a page. */
  readonly stagedAt: Date | null;
}

async function countStates({ pool }: Database, run: string): Promise<StateCount[]> {
  const { rows } = await pool.query<StateCount>(
    `select state, count(*)::int as count, max(staged_at) as "stagedAt" from sheaf.slices where run_id = $1 group by state`,
    [run],
  );
  return rows;
}

function sliceCounts(counts: readonly StateCount[]): Record<SliceState, number> {
  const of = (state: SliceState) => counts.find((each) => each.state === state)?.count ?? 0;
  return Object.fromEntries(sliceStates.map((state) => [state, of(state)])) as Record<SliceState, number>;
}

/** How many slices of a run each worker holds. */
async function countHeld({ pool }: Database, run: string): Promise<ReadonlyMap<number, number>> {
  const { rows } = await pool.query<{ worker: number; count: number }>(
    `select worker_id as worker, count(*)::int as count
     from sheaf.slices where run_id = $1 and worker_id is not null group by worker_id`,
    [run],
  );
  return new Map(rows.map(({ worker, count }) => [worker, count]));
}

async function listFailures({ pool }: Database, run: string): Promise<RunDetails['failures'][number][]> {
  const { rows } = await pool.query<{ slice: number; message: string }>(
    `select number as slice, coalesce(error ->> 'message', 'no reason was noted') as message
     from sheaf.slices where run_id = $1 and state = 'failed' order by number`,
    [run],
  );
  return rows;
}
