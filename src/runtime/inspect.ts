import { readGate } from '../db/queries/gates.ts';
import { listRuns, resolveRun, runsInState } from '../db/queries/runs.ts';
import { listSlices } from '../db/queries/slices.ts';
import { listLiveWorkers } from '../db/queries/workers.ts';
import type { RunRow } from '../db/schema.ts';
import type { BreakerState } from '../domain/gate.ts';
import type { RunReport } from '../domain/report.ts';
import { checkRunReference } from '../domain/run.ts';
import type { SheafContext } from './context.ts';
import { reportRun } from './report.ts';

export type { RunRow } from '../db/schema.ts';

/** Finds a run by its id, an end of it, or `latest`; throws a UsageError unless exactly one fits. */
export function findRun({ database }: SheafContext, reference: string): Promise<RunRow> {
  return resolveRun(database, checkRunReference(reference));
}

/** The newest runs, the latest first. */
export function recentRuns(
  { database }: SheafContext,
  filter: { dataset?: string | undefined; limit: number },
): Promise<RunRow[]> {
  return listRuns(database, filter);
}

/** The runs that are being fetched, or wait to be, or are being finalised. */
export function openRuns({ database }: Pick<SheafContext, 'database'>): Promise<RunRow[]> {
  return runsInState(database, ['fetching', 'finalising']);
}

/** What `sheaf status` shows of a run beyond its report. */
export interface RunDetails {
  readonly report: RunReport;
  readonly run: RunRow;
  readonly slices: Readonly<Record<'pending' | 'working' | 'done' | 'failed', number>>;
  readonly failures: readonly { readonly slice: number; readonly message: string }[];
  readonly workers: readonly {
    readonly id: number;
    readonly host: string;
    readonly pid: number;
    readonly slices: number;
  }[];
  /** The gate of the run's source, as the fleet shares it. */
  readonly gate: { readonly breaker: BreakerState; readonly closedUntil: Date | null; readonly reason: string | null };
}

export async function inspectRun({ database }: SheafContext, run: RunRow): Promise<RunDetails> {
  const rows = await listSlices(database, run.id, ['pending', 'working', 'done', 'failed']);
  const count = (state: string) => rows.filter((row) => row.state === state).length;
  const failures = rows
    .filter((row) => row.state === 'failed')
    .map((row) => ({ slice: row.number, message: row.error?.message ?? 'no reason was noted' }));
  const workers = (await listLiveWorkers(database)).map(({ id, host, pid }) => ({
    id,
    host,
    pid,
    slices: rows.filter((row) => row.workerId === id).length,
  }));
  const slices = { pending: count('pending'), working: count('working'), done: count('done'), failed: count('failed') };
  const row = await readGate(database, run.request.dataset.source);
  const gate = {
    breaker: row?.breaker ?? 'closed',
    closedUntil: row?.closedUntil ?? null,
    reason: row?.error?.message ?? null,
  };
  return { report: await reportRun(database, run.id), run, slices, failures, workers, gate };
}
