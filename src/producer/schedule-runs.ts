import type { Database } from '../db/database.ts';
import { endRun } from '../db/queries/runs.ts';
import {
  type ClaimedFiring,
  type FailedFiring,
  type FiringRun,
  nameRuns,
  nextFiring,
  postponeFiring,
  renameRun,
  settleFiring,
} from '../db/queries/schedule-firings.ts';
import { type DueSchedule, databaseNow, dueSchedules, getScheduleById, takeDue } from '../db/queries/schedules.ts';
import type { ScheduleRow } from '../db/schema.ts';
import { isStoreTrouble } from '../domain/classify.ts';
import { datasetName } from '../domain/dataset.ts';
import { type StoredError, toStoredError } from '../domain/errors.ts';
import type { HarvestRequest } from '../domain/harvest-request.ts';
import { decideDue, decideFiringRetry, decideStart } from '../domain/schedule.ts';
import type { Telemetry } from '../telemetry/events.ts';
import { nameRun } from './plan-run.ts';

/** What carrying out schedules takes. */
export interface ScheduleContext {
  readonly database: Database;
  readonly telemetry: Telemetry;
  /** This process in the ledger. */
  readonly workerId: number;
  /** The firings whose runs this process is planning; see `releaseForgottenFirings`. */
  readonly held: Set<number>;
  /** What is wrong with schedules that cannot be told when to fire, by their ids: it is told once, not at every look. */
  readonly failing: Map<number, string>;
  /** Plans a run under this id, which it must not do twice, and hands it to the fleet. */
  launch(schedule: string, request: HarvestRequest, run: string): Promise<void>;
  /** Ends a run that has not ended, for the firing of a schedule that cancels the old. */
  cancel(schedule: string, run: string): Promise<void>;
}

/**
 * Turns the due times that have come, of all schedules or of one, into firings. However many processes do so, and
 * whenever: each due time becomes one firing, by the compare-and-set in `takeDue`. A schedule of which it cannot be told
 * when it is due is left as it is, overdue, and the others fire.
 */
export async function takeDueTimes(context: DueContext, id?: number): Promise<void> {
  const now = await databaseNow(context.database);
  for (const schedule of await dueSchedules(context.database, now, id)) {
    try {
      await takeDueTimesOf(context, schedule, now);
      context.failing.delete(schedule.id);
    } catch (error) {
      if (isStoreTrouble(error)) throw error;
      noteFailing(context, schedule, toStoredError(error));
    }
  }
}

type DueContext = Pick<ScheduleContext, 'database' | 'telemetry' | 'failing'>;

async function takeDueTimesOf({ database, telemetry }: DueContext, schedule: DueSchedule, now: Date): Promise<void> {
  const missed = await takeDue(database, schedule, decideDue(schedule, now));
  if (missed === null) return;
  const { dueAt, reason } = missed;
  telemetry.emit('schedule.skipped', {
    ...{ schedule: schedule.name, kind: 'catch-up', dueAt: dueAt.toISOString(), reason },
  });
}

function noteFailing({ telemetry, failing }: DueContext, { id, name, nextAt }: DueSchedule, error: StoredError): void {
  if (failing.get(id) === error.message) return;
  failing.set(id, error.message);
  noteFailed(telemetry, { schedule: name, kind: 'cron', dueAt: nextAt }, error);
}

/** Starts the firings of a schedule that may be started, and lets go of those that its overlap policy leaves out. */
export async function startFirings(context: ScheduleContext, id: number): Promise<void> {
  const { database, workerId, telemetry } = context;
  const schedule = await getScheduleById(database, id);
  if (schedule === undefined) return;
  for (;;) {
    const next = await nextFiring(database, { schedule: id, workerId }, decideStart);
    if (next.kind === 'none') return;
    if (next.kind === 'cancel') for (const run of next.runs) await context.cancel(schedule.name, run);
    if (next.kind === 'claimed') await startFiring(context, schedule, next.claim);
    if (next.kind === 'skipped') {
      const reason = next.firing.reason ?? '';
      telemetry.emit('schedule.skipped', { ...describe(schedule, next.firing), reason });
    }
  }
}

/** Plans the runs of a firing: those that it does not have yet. All are tried, whatever becomes of the first. */
async function startFiring(context: ScheduleContext, schedule: ScheduleRow, claim: ClaimedFiring): Promise<void> {
  context.held.add(claim.firing);
  try {
    const runs = await nameRuns(
      context.database,
      claim,
      schedule.requests.map(() => nameRun()),
    );
    const failures: unknown[] = [];
    for (const run of runs) {
      const request = schedule.requests[run.position];
      if (request !== undefined)
        await startRun(context, { schedule, claim, request }, run).catch((error) => failures.push(error));
    }
    const [failure] = failures;
    if (failure === undefined) await noteStarted(context, schedule, claim);
    else await settleFailure(context, { schedule, claim }, failure);
  } finally {
    context.held.delete(claim.firing);
  }
}

interface Starting {
  readonly schedule: ScheduleRow;
  readonly claim: ClaimedFiring;
  readonly request: HarvestRequest;
}

/** A run that is sealed goes on by itself. One that is not was being planned by a process that died, and is given up. */
async function startRun(
  context: ScheduleContext,
  { schedule, claim, request }: Starting,
  { position, run, state, isSealed }: FiringRun,
): Promise<void> {
  if (isSealed) return;
  if (state === null) return context.launch(schedule.name, request, run);
  const by = nameRun();
  if (!(await renameRun(context.database, claim, { position, run, by }))) return;
  await endRun(context.database, run, { state: 'failed', reason: 'its planner died before the plan was sealed' });
  await context.launch(schedule.name, request, by);
}

async function noteStarted(context: ScheduleContext, schedule: ScheduleRow, claim: ClaimedFiring): Promise<void> {
  const { database, telemetry } = context;
  const runs = await nameRuns(database, claim, []);
  if (!(await settleFiring(database, claim, { state: 'started' }))) return;
  const lateMs = (await databaseNow(database)).getTime() - claim.dueAt.getTime();
  telemetry.emit('schedule.fired', { ...describe(schedule, claim), runs: runs.map(({ run }) => run), lateMs });
}

async function settleFailure(
  { database, telemetry }: ScheduleContext,
  { schedule, claim }: Pick<Starting, 'schedule' | 'claim'>,
  failure: unknown,
): Promise<void> {
  const error = toStoredError(failure);
  const decision = decideFiringRetry(failure, {
    attempt: claim.failures + 1,
    now: new Date(),
    random: Math.random(),
  });
  const firing = describe(schedule, claim);
  if (decision.kind === 'retry') {
    const { delayMs } = decision;
    const reason = `could not be started, and is tried again: ${error.message}`;
    if (await postponeFiring(database, claim, { delayMs, reason, error }))
      telemetry.emit('schedule.postponed', { ...firing, delayMs, error });
    return;
  }
  const reason = `could not be started: ${error.message}`;
  if (await settleFiring(database, claim, { state: 'failed', reason, error })) noteFailed(telemetry, firing, error);
}

export function noteFailed(
  telemetry: Telemetry,
  firing: Pick<FailedFiring, 'schedule' | 'kind'> & { readonly dueAt: Date | string },
  error: StoredError,
): void {
  const dueAt = firing.dueAt instanceof Date ? firing.dueAt.toISOString() : firing.dueAt;
  telemetry.emit('schedule.failed', { schedule: firing.schedule, kind: firing.kind, dueAt, error });
}

function describe({ name }: ScheduleRow, { kind, dueAt }: Pick<ClaimedFiring, 'kind' | 'dueAt'>) {
  return { schedule: name, kind, dueAt: dueAt.toISOString() };
}

/** The datasets of a schedule, each once, in its order. */
export function datasetsOf({ requests }: Pick<ScheduleRow, 'requests'>): string[] {
  return [...new Set(requests.map(({ dataset }) => datasetName(dataset)))];
}
