import type { Database } from '../db/database.ts';
import {
  dropOldFirings,
  PLANNER_DIED,
  releaseDeadFirings,
  releaseForgottenFirings,
  startableSchedules,
} from '../db/queries/schedule-firings.ts';
import { listSchedules } from '../db/queries/schedules.ts';
import { tryAsOnlyOne } from '../db/queries/workers.ts';
import { toStoredError } from '../domain/errors.ts';
import { firingRetryPolicy } from '../domain/schedule.ts';
import type { QueueWorker } from '../queues/queue-worker.ts';
import type { Queues } from '../queues/queues.ts';
import { within } from '../queues/within.ts';
import { noteFailed, type ScheduleContext, startFirings, takeDueTimes } from './schedule-runs.ts';

export interface ScheduleWorker {
  /** The part that takes jobs from the queue. */
  readonly queue: QueueWorker;
  /** This process's turn in the duty that makes schedules independent of the queue. Safe at any time. */
  repair(): Promise<void>;
  /** Takes no further job, and waits a while for plans that are being written; others finish what is left. */
  stop(): Promise<void>;
}

export interface ScheduleWorkContext extends Omit<ScheduleContext, 'held' | 'failing'> {
  readonly queues: Queues;
  readonly onError: (error: unknown) => void;
}

/** Firings are kept for a year, for people to look back on, and so many of each schedule. */
const KEPT = { days: 365, most: 10_000 };
/** How often old ones are dropped. */
const DROP_MS = 60 * 60_000;
/** Schedules whose firings are started at once by one process: many are due at midnight. */
const STARTING_AT_ONCE = 8;
/** How long a plan may still be written while the worker stops. */
const STOP_MS = 5_000;

/**
 * Carries schedules out. A job of the queue comes when a schedule is due and says no more than that: what is due, the
 * ledger knows. The duty asks the ledger every few seconds, so that nothing depends on the queue; it keeps the queue's
 * job schedulers in step with the schedules, too.
 */
export function startScheduleWorker(work: ScheduleWorkContext): ScheduleWorker {
  const { database, queues, onError } = work;
  const context: ScheduleContext = { ...work, held: new Set(), failing: new Map() };
  const starting = new Map<number, Promise<void>>();
  const asked = new Set<number>();
  let isStopping = false;
  const dropOld = dropHourly(database);

  /** Planning asks the source, which may take long: nobody waits for it here. A schedule's own firings start in turn. */
  const begin = (schedule: number): void => {
    asked.add(schedule);
    const next = [...asked].find((each) => !starting.has(each));
    if (next === undefined || starting.size >= STARTING_AT_ONCE) return;
    asked.delete(next);
    const started = startFirings(context, next)
      .catch(onError)
      .finally(() => {
        starting.delete(next);
        for (const each of isStopping ? [] : [...asked]) begin(each);
      });
    starting.set(next, started);
  };

  const process = async ({ schedule }: { schedule: number }): Promise<string> => {
    await takeDueTimes(context, schedule);
    begin(schedule);
    return 'looked';
  };
  const queue = queues.work('sheaf-schedules', process, { concurrency: 4 });

  return {
    queue,
    repair: () =>
      tryEach(onError, [
        () => releaseForgottenFirings(database, context.workerId, (firing) => context.held.has(firing)),
        () => giveUpTheDead(work),
        () => takeDueTimes(context),
        async () => (await startableSchedules(database)).forEach(begin),
        () => tryAsOnlyOne(database, 'sheaf schedules', () => keepInStep(work)),
        dropOld,
      ]),
    stop: async () => {
      isStopping = true;
      await queue.close();
      const plans = Promise.allSettled(starting.values()).then(() => undefined);
      await within(STOP_MS, plans, () => undefined);
    },
  };
}

/** Drops old firings when an hour has passed since it last did. */
function dropHourly(database: Database): () => Promise<void> {
  let dropsAt = performance.now();
  return async () => {
    if (performance.now() < dropsAt) return;
    await dropOldFirings(database, KEPT);
    dropsAt = performance.now() + DROP_MS;
  };
}

/** Takes all steps, whatever becomes of each. What goes wrong is told, the same of several steps once. */
async function tryEach(onError: (error: unknown) => void, steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const told = new Set<string>();
  for (const step of steps) {
    await step().catch((error: unknown) => {
      const { message } = toStoredError(error);
      if (!told.has(message)) onError(error);
      told.add(message);
    });
  }
}

async function giveUpTheDead({ database, telemetry }: ScheduleWorkContext): Promise<void> {
  for (const failed of await releaseDeadFirings(database, firingRetryPolicy.maxAttempts))
    noteFailed(telemetry, failed, PLANNER_DIED);
}

/** Has the queue's job schedulers be those of the schedules. */
async function keepInStep({ database, queues, telemetry }: ScheduleWorkContext): Promise<void> {
  const active = (await listSchedules(database)).filter(({ nextAt }) => nextAt !== null);
  const wanted = active.map(({ id, cron, timeZone }) => {
    return { id: `schedule-${id}`, cron, timeZone, payload: { schedule: id, round: 0 } };
  });
  const count = await queues.keepSchedulers('sheaf-schedules', wanted);
  if (count > 0) telemetry.emit('schedule.restored', { count });
}
