import { endRun, runsInState, unattendedFinalisations } from '../db/queries/runs.ts';
import { countLongPending, pendingSlices, releaseDeadSlices } from '../db/queries/slices.ts';
import { dropOldStaging } from '../db/queries/staging.ts';
import { buryWorkers, tryAsOnlyOne } from '../db/queries/workers.ts';
import type { QueueName } from '../queues/queue-table.ts';
import { finaliseIfSettled } from './settle.ts';
import type { WorkContext } from './work-context.ts';

type ReconcileContext = Pick<WorkContext, 'database' | 'queues' | 'telemetry'>;

/** A plan is written within seconds; one that is not sealed after this has lost its planner. */
const PLANNING_MINUTES = 10;
/** What failed and partial runs have staged is kept this long, so that resuming them need not fetch it again. */
const STAGING_DAYS = 7;

/**
 * Puts the queue and the ledger back in step. PostgreSQL is the truth and the queue may have lost anything, so this
 * only ever adds jobs, which claim nothing when they are out of date: it is safe at any time. One process of the fleet
 * does it at a time; false when another is at it.
 */
export async function reconcile(context: ReconcileContext): Promise<boolean> {
  return tryAsOnlyOne(context.database, 'sheaf reconcile', async () => {
    await buryWorkers(context.database);
    await releaseWhatTheDeadHeld(context);
    await endLostPlans(context);
    await requeueLostSlices(context);
    await requeueLostFinalisations(context);
    await dropOldStaging(context.database, STAGING_DAYS);
  });
}

async function releaseWhatTheDeadHeld({ database, queues, telemetry }: ReconcileContext): Promise<void> {
  const released = await releaseDeadSlices(database);
  for (const [run, count] of released) {
    telemetry.emit('reconcile.repaired', { run, what: 'slices of dead workers', count });
    await requeue({ database, queues }, run);
  }
}

async function endLostPlans({ database }: ReconcileContext): Promise<void> {
  const overdue = Date.now() - PLANNING_MINUTES * 60_000;
  for (const run of await runsInState(database, ['planning'])) {
    if (run.createdAt.getTime() > overdue) continue;
    await endRun(database, run.id, {
      state: 'failed',
      reason: 'its planner died before the plan was sealed; harvest again',
    });
  }
}

/**
 * Every slice that waits should have a job. When the queue holds fewer jobs than slices have been waiting for a while,
 * it has lost some, and all of them are added again.
 */
async function requeueLostSlices(context: ReconcileContext): Promise<void> {
  const { database, queues, telemetry } = context;
  const runs = await runsInState(database, ['fetching']);
  for (const run of runs) await finaliseIfSettled(context, run.id);
  const jobs = await countJobs(queues, 'sheaf-slices'); // first: a queue that drains meanwhile must not look like one that lost
  const waiting = await countLongPending(database);
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

async function countJobs(queues: ReconcileContext['queues'], name: QueueName): Promise<number> {
  const counts = await queues.counts(name);
  return UNENDED.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
}

/** BullMQ's states of a job that will still be worked. */
const UNENDED = ['waiting', 'active', 'delayed', 'prioritized', 'paused'];

/** A finalisation whose worker died, or whose job was lost, gets a job again. */
async function requeueLostFinalisations({ database, queues }: ReconcileContext): Promise<void> {
  const unattended = await unattendedFinalisations(database);
  if (unattended.length === 0 || (await countJobs(queues, 'sheaf-finalise')) >= unattended.length) return;
  await queues.add(
    'sheaf-finalise',
    unattended.map((each) => ({ ...each, round: Date.now() })),
  );
}
