import { AUDIT_DAYS, pruneAudit } from '../db/queries/audit.ts';
import { endRun, findFailedRuns, findLostPlans, runsInState, unattendedFinalisations } from '../db/queries/runs.ts';
import {
  countOverdueSlices,
  findPoison,
  type PoisonSlice,
  pendingSlices,
  releaseDeadSlices,
  setAside,
} from '../db/queries/slices.ts';
import { dropOldStaging } from '../db/queries/staging.ts';
import { findStalledRuns } from '../db/queries/stalled-runs.ts';
import { buryWorkers, tryAsOnlyOne } from '../db/queries/workers.ts';
import { poisonError } from '../domain/poison.ts';
import type { QueueName } from '../queues/queue-table.ts';
import { finaliseIfSettled, settleLostSlice } from './settle.ts';
import type { WorkContext } from './work-context.ts';

type ReconcileContext = Pick<WorkContext, 'database' | 'queues' | 'telemetry'>;

export interface ReconcileOptions {
  /** After how many minutes without a page a run is reported. */
  readonly stallMinutes: number;
}

/** A plan is written within seconds; one that is not sealed after this has lost its planner. */
const PLANNING_MINUTES = 10;
/** What failed and partial runs have staged is kept this long, so that resuming them need not fetch it again. */
const STAGING_DAYS = 7;

/**
 * Puts the queue and the ledger back in step. PostgreSQL is the truth and the queue may have lost anything, so this
 * only ever adds jobs, which claim nothing when they are out of date: it is safe at any time. One process of the fleet
 * does it at a time; false when another is at it.
 */
export async function reconcile(context: ReconcileContext, { stallMinutes }: ReconcileOptions): Promise<boolean> {
  return tryAsOnlyOne(context.database, 'sheaf reconcile', async () => {
    await buryWorkers(context.database);
    await releaseWhatTheDeadHeld(context);
    await endLostPlans(context);
    for (const { run, slice, error } of await findFailedRuns(context.database)) {
      await settleLostSlice(context, { run, slice }, error);
    }
    await requeueLostSlices(context);
    await requeueLostFinalisations(context);
    await dropOldStaging(context.database, STAGING_DAYS);
    await pruneAudit(context.database, AUDIT_DAYS);
    for (const stalled of await findStalledRuns(context.database, stallMinutes)) {
      context.telemetry.emit('run.stalled', stalled);
    }
  });
}

async function releaseWhatTheDeadHeld(context: ReconcileContext): Promise<void> {
  for (const { run, count } of await releaseDeadSlices(context.database)) {
    context.telemetry.emit('reconcile.repaired', { run, what: 'slices of dead workers', count });
    await requeue(context, run);
  }
  for (const poison of await findPoison(context.database)) await setAsidePoison(context, poison);
}

async function setAsidePoison(context: ReconcileContext, poison: PoisonSlice): Promise<void> {
  const error = poisonError(poison);
  if (!(await setAside(context.database, poison, error))) return;
  context.telemetry.emit('slice.settled', { run: poison.run, slice: poison.slice, outcome: 'poison', error });
  await settleLostSlice(context, poison, error);
}

async function endLostPlans({ database, telemetry }: ReconcileContext): Promise<void> {
  const reason = 'its planner died before the plan was sealed; harvest again';
  for (const run of await findLostPlans(database, PLANNING_MINUTES))
    if (await endRun(database, run, { state: 'failed', reason }))
      telemetry.emit('run.state', { run, state: 'failed', reason });
}

/**
 * Every slice that could be worked should have a job that can be taken. When the queue holds fewer of these than slices
 * are overdue, it has lost some, or delays them by a clock that has jumped, and all of them are added again.
 */
async function requeueLostSlices(context: ReconcileContext): Promise<void> {
  const { database, queues, telemetry } = context;
  const runs = await runsInState(database, ['fetching']);
  for (const run of runs) await finaliseIfSettled(context, run.id);
  const jobs = await countJobs(queues, 'sheaf-slices', TAKEABLE); // first: a queue that drains meanwhile must not look like one that lost
  const waiting = await countOverdueSlices(database);
  if (jobs >= waiting) return;
  for (const run of runs) {
    const count = await requeue(context, run.id);
    if (count > 0) telemetry.emit('reconcile.repaired', { run: run.id, what: 'slices that the queue had lost', count });
  }
}

async function requeue({ database, queues }: Omit<ReconcileContext, 'telemetry'>, run: string): Promise<number> {
  const slices = await pendingSlices(database, run);
  await queues.add(
    'sheaf-slices',
    slices.map((slice) => ({ ...slice, round: Date.now() })),
  );
  return slices.length;
}

async function countJobs(
  queues: ReconcileContext['queues'],
  name: QueueName,
  states: readonly string[],
): Promise<number> {
  const counts = await queues.counts(name);
  return states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
}

/**
 * BullMQ's states of a job that a worker takes next. Not `active`: what such a job is for is held by a worker in the
 * ledger, or the job is a ghost, whose worker died and whose lock, by a clock that has jumped, does not end.
 */
const TAKEABLE = ['waiting', 'prioritized', 'paused'];

/** A finalisation whose worker died, or whose job was lost, gets a job again. */
async function requeueLostFinalisations({ database, queues }: ReconcileContext): Promise<void> {
  const unattended = await unattendedFinalisations(database);
  if (unattended.length === 0 || (await countJobs(queues, 'sheaf-finalise', TAKEABLE)) >= unattended.length) return;
  await queues.add(
    'sheaf-finalise',
    unattended.map((each) => ({ ...each, round: Date.now() })),
  );
}
