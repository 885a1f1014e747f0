import type { Database } from '../db/database.ts';
import { listExports } from '../db/queries/exports.ts';
import { getRun } from '../db/queries/runs.ts';
import { sliceTotals } from '../db/queries/slices.ts';
import type { RunReport } from '../domain/report.ts';

/** What is to be said of a run, ended or not. */
export async function reportRun(database: Database, id: string): Promise<RunReport> {
  const run = await getRun(database, id);
  const totals = await sliceTotals(database, id);
  const merge = run.mergedGeneration === run.generation ? run.merge : null;
  return {
    run: id,
    dataset: run.dataset,
    state: run.state,
    reason: run.reason,
    expected: run.expected,
    records: run.proof?.distinctKeys ?? totals.records,
    pages: totals.pages,
    requests: totals.requests + run.planRequests,
    retries: totals.retries,
    inserted: merge?.inserted ?? 0,
    updated: merge?.updated ?? 0,
    unchanged: merge?.unchanged ?? 0,
    deleted: merge?.deleted ?? 0,
    rejected: totals.rejects,
    durationMs: (run.finishedAt ?? new Date()).getTime() - run.createdAt.getTime(),
    exports: await listExports(database, { run: id, generation: run.generation }),
    error: run.error,
  };
}
