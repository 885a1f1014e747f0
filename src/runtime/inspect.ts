import { hostname } from 'node:os';
import { findDataset } from '../db/queries/datasets.ts';
import { type GateState, readGate } from '../db/queries/gates.ts';
import { listRuns, newestRunInState, resolveRun, runsInState } from '../db/queries/runs.ts';
import { listSlices } from '../db/queries/slices.ts';
import { listLiveWorkers, wellWorkersOn } from '../db/queries/workers.ts';
import type { DatasetRow, RunRow } from '../db/schema.ts';
import { OperatorError, UsageError } from '../domain/errors.ts';
import type { RunReport } from '../domain/report.ts';
import { checkRunReference } from '../domain/run.ts';
import type { SheafContext } from './context.ts';
import { reportRun } from './report.ts';

export type { RunRow } from '../db/schema.ts';

/** Finds a run by its id, an end of it, or `latest`; throws a UsageError unless exactly one fits. */
export function findRun({ database }: SheafContext, reference: string): Promise<RunRow> {
  return resolveRun(database, checkRunReference(reference));
}

/** Finds a dataset by its name, `source/entity`; throws a UsageError for one that was never harvested. */
export async function findKnownDataset(
  { database }: Pick<SheafContext, 'database'>,
  name: string,
): Promise<DatasetRow> {
  const known = await findDataset(database, name);
  if (known !== undefined) return known;
  throw new UsageError(`${name} has not been harvested yet. Do that first: sheaf harvest ${name}`, {
    code: 'unknown-dataset',
    facts: { dataset: name },
  });
}

/** The newest run that can be gone on with. Throws a UsageError when there is none. */
export async function findRunToResume({ database }: SheafContext): Promise<RunRow> {
  const run = await newestRunInState(database, ['fetching', 'paused', 'finalising', 'failed', 'partial']);
  if (run !== undefined) return run;
  throw new UsageError(
    'There is no run to go on with: all have ended complete or cancelled. `sheaf runs` lists them.',
    {
      code: 'nothing-to-resume',
    },
  );
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

/** The workers on this machine that are alive and take work. Throws an OperatorError when there is none. */
export async function wellWorkersHere({ database }: SheafContext): Promise<readonly { id: number; pid: number }[]> {
  const well = await wellWorkersOn(database, hostname());
  if (well.length > 0) return well;
  throw new OperatorError(`No worker on ${hostname()} has shown within a minute that it is alive and takes work.`, {
    code: 'no-well-worker',
    facts: { host: hostname() },
  });
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
  readonly gate: GateState;
  /** When the run last staged a page; null when it has not yet. */
  readonly lastPageAt: Date | null;
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
  const gate = await readGate(database, run.request.dataset.source);
  const stagedAt = rows.flatMap((row) => row.stagedAt?.getTime() ?? []);
  const lastPageAt = stagedAt.length === 0 ? null : new Date(Math.max(...stagedAt));
  return { report: await reportRun(database, run.id), run, slices, failures, workers, gate, lastPageAt };
}
