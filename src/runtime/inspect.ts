import { hostname } from 'node:os';
import { getDataset } from '../db/queries/datasets.ts';
import { type RunDetails, inspectRun as readDetails } from '../db/queries/run-details.ts';
import { newestRunToResume } from '../db/queries/run-to-resume.ts';
import { listRuns, resolveRun, runsInState } from '../db/queries/runs.ts';
import { wellWorkersOn } from '../db/queries/workers.ts';
import type { DatasetRow, RunRow } from '../db/schema.ts';
import { datasetName, parseDataset } from '../domain/dataset.ts';
import { OperatorError, UsageError } from '../domain/errors.ts';
import { checkRunReference } from '../domain/run.ts';
import type { SheafContext } from './context.ts';

export type { RunDetails } from '../db/queries/run-details.ts';
export type { RunRow } from '../db/schema.ts';

/** Finds a run by its id, an end of it, or `latest`; throws a UsageError unless exactly one fits. */
export function findRun({ database }: SheafContext, reference: string): Promise<RunRow> {
  return resolveRun(database, checkRunReference(reference));
}

/** Finds a dataset by its name, `source/entity`; throws a UsageError for one that was never harvested. */
export function findKnownDataset({ database }: Pick<SheafContext, 'database'>, name: string): Promise<DatasetRow> {
  return getDataset(database, name);
}

/** The newest run that can be gone on with. Throws a UsageError when there is none. */
export async function findRunToResume({ database }: SheafContext): Promise<RunRow> {
  const run = await newestRunToResume(database);
  if (run !== undefined) return run;
  throw new UsageError(
    'There is no run to go on with: all have ended complete or cancelled, or have been followed by one that brought the same. `sheaf runs` lists them.',
    {
      code: 'nothing-to-resume',
    },
  );
}

/** The newest runs, the latest first; of one dataset if it is named. Throws a UsageError for one that was never harvested. */
export async function recentRuns(
  { database }: Pick<SheafContext, 'database'>,
  { dataset, limit }: { dataset?: string | undefined; limit: number },
): Promise<RunRow[]> {
  const name = dataset === undefined ? undefined : datasetName(parseDataset(dataset));
  const found = await listRuns(database, { dataset: name, limit });
  if (name !== undefined && found.length === 0) await getDataset(database, name);
  return found;
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
export function inspectRun({ database }: Pick<SheafContext, 'database'>, run: RunRow): Promise<RunDetails> {
  return readDetails(database, run);
}
