import { insertFirings } from '../db/queries/schedule-firings.ts';
import {
  databaseNow,
  deleteSchedule,
  getSchedule,
  insertSchedule,
  listSchedules,
  pauseSchedule,
  resumeSchedule,
} from '../db/queries/schedules.ts';
import type { ScheduleRow } from '../db/schema.ts';
import type { Actor } from '../domain/actor.ts';
import { checkTimetable, formatInZone, nextAfter, timesWithin } from '../domain/cron.ts';
import { datasetName } from '../domain/dataset.ts';
import { UsageError } from '../domain/errors.ts';
import type { HarvestRequest } from '../domain/harvest-request.ts';
import { checkJitter, checkScheduleName, type NewSchedule } from '../domain/schedule.ts';
import { reportSchedule, reportSchedules, type ScheduleReport } from '../producer/report-schedules.ts';
import type { ScheduleWorkContext } from '../producer/schedule-worker.ts';
import type { BackfillSpan, ScheduleActions } from '../server/server-context.ts';
import { audited } from './audited.ts';
import type { SheafContext } from './context.ts';
import { cancel, checkRequests, launchRun } from './harvest.ts';
import { findRun } from './inspect.ts';

export type { ScheduleRow } from '../db/schema.ts';
export type { ScheduleReport } from '../producer/report-schedules.ts';

/** Firings that one backfill may ask for. */
const MAX_BACKFILL = 1_000;

/** What people change schedules by, whether they sit at the command line, at a page, or at the API. */
export function createScheduleActions(context: SheafContext): ScheduleActions {
  const { database } = context;
  const noted = <T>(action: string, { name }: { name: string }, actor: Actor, work: () => Promise<T>): Promise<T> =>
    audited(database, { actor, action, target: { kind: 'schedule', id: name } }, { work });
  return {
    add: (schedule, actor) => noted('add', schedule, actor, () => add(context, schedule)),
    remove: (schedule, actor) =>
      noted('remove', schedule, actor, async () => void (await deleteSchedule(database, schedule.id))),
    pause: (schedule, actor) => noted('pause', schedule, actor, () => pause(context, schedule)),
    resume: (schedule, actor) => noted('resume', schedule, actor, () => resume(context, schedule)),
    run: (schedule, actor) => noted('run', schedule, actor, () => runNow(context, schedule)),
    backfill: (schedule, span, actor) => {
      const work = () => backfill(context, schedule, span);
      return span.isDryRun ? work() : noted('backfill', schedule, actor, work);
    },
  };
}

async function add(context: SheafContext, asked: NewSchedule): Promise<ScheduleRow> {
  const now = await databaseNow(context.database);
  checkScheduleName(asked.name);
  if (asked.requests.length === 0)
    throw new UsageError('A schedule needs a dataset to harvest, e.g. oda/Sag.', { code: 'no-datasets' });
  const timetable = checkTimetable(asked, now);
  checkJitter(timetable, asked.jitterMs, now);
  await checkRequests(context, asked.requests);
  const { name, requests, overlap, catchUp, catchUpWindowMs, jitterMs } = asked;
  const rules = { overlap, catchUp, catchUpWindowMs, jitterMs };
  return insertSchedule(context.database, {
    ...{ name, requests, ...timetable, ...rules },
    nextAt: nextAfter(timetable, now),
  });
}

async function pause({ database }: SheafContext, { id, name }: ScheduleRow): Promise<void> {
  if (await pauseSchedule(database, id)) return;
  throw new UsageError(`Schedule ${name} is paused already.`, { code: 'cannot-pause', facts: { schedule: name } });
}

async function resume({ database }: SheafContext, schedule: ScheduleRow): Promise<void> {
  const { id, name } = schedule;
  const nextAt = nextAfter(schedule, await databaseNow(database));
  if (await resumeSchedule(database, id, nextAt)) return;
  throw new UsageError(`Schedule ${name} is not paused.`, { code: 'cannot-resume', facts: { schedule: name } });
}

async function runNow(context: SheafContext, { id }: ScheduleRow): Promise<number> {
  const [firing = 0] = await fire(context, id, { kind: 'manual', dueAt: [await databaseNow(context.database)] });
  return firing;
}

/** Writes firings down, and tells the workers; were they not told, they would look within seconds anyway. */
async function fire(
  { database, queues }: SheafContext,
  schedule: number,
  firings: Parameters<typeof insertFirings>[2],
): Promise<number[]> {
  const ids = await insertFirings(database, schedule, firings);
  await queues.add('sheaf-schedules', [{ schedule, round: Date.now() }]).catch(() => undefined);
  return ids;
}

async function backfill(context: SheafContext, schedule: ScheduleRow, span: BackfillSpan): Promise<readonly Date[]> {
  const { name, timeZone } = schedule;
  const refuse = (why: string) => new UsageError(why, { code: 'bad-backfill', facts: { schedule: name } });
  const times = timesWithin(schedule, { ...span, count: MAX_BACKFILL + 1 });
  const [from, to] = [formatInZone(span.from, timeZone), formatInZone(span.to, timeZone)];
  if (span.from >= span.to) throw refuse(`The span from ${from} to ${to} is empty.`);
  if (span.to > (await databaseNow(context.database)))
    throw refuse(`The span ends at ${to}, which has not come yet: only what is past can be filled.`);
  if (times.length > MAX_BACKFILL)
    throw refuse(
      `Schedule ${name} would have been due more than ${MAX_BACKFILL} times from ${from} to ${to}; choose a shorter span.`,
    );
  if (times.length === 0) throw refuse(`Schedule ${name} would not have been due from ${from} to ${to}.`);
  if (!span.isDryRun) await fire(context, schedule.id, { kind: 'backfill', dueAt: times });
  return times;
}

/** Finds a schedule by its name; throws a UsageError that names the nearest for one that is not known. */
export function findSchedule({ database }: Pick<SheafContext, 'database'>, name: string): Promise<ScheduleRow> {
  return getSchedule(database, name);
}

/** All schedules, with their next times and their latest firings. */
export async function describeSchedules({ database }: Pick<SheafContext, 'database'>): Promise<ScheduleReport[]> {
  return reportSchedules(database, await listSchedules(database), { times: 3, firings: 1 });
}

/** One schedule, with its next times and its latest firings. */
export function describeSchedule(
  { database }: Pick<SheafContext, 'database'>,
  schedule: ScheduleRow,
): Promise<ScheduleReport> {
  return reportSchedule(database, schedule, { times: 3, firings: 20 });
}

/** What a worker carries schedules out with. */
export function scheduleWork(context: SheafContext): Omit<ScheduleWorkContext, 'workerId' | 'onError'> {
  const { database, queues, telemetry } = context;
  const actorOf = (schedule: string): Actor => ({ name: schedule, role: 'operator', via: 'schedule', address: null });
  const launch = async (schedule: string, request: HarvestRequest, run: string): Promise<void> => {
    const dataset = datasetName(request.dataset);
    const target = { kind: 'dataset', id: dataset } as const;
    await audited(
      database,
      { actor: actorOf(schedule), action: 'start', target, details: { dataset } },
      { work: () => launchRun(context, request, run), targetOf: (id) => ({ kind: 'run', id }) },
    );
  };
  return { database, queues, telemetry, launch, cancel: (schedule, run) => cancelFor(context, actorOf(schedule), run) };
}

/** A run that has ended meanwhile need not be cancelled any more. */
async function cancelFor(context: SheafContext, actor: Actor, id: string): Promise<void> {
  const run = await findRun(context, id);
  const target = { kind: 'run', id } as const;
  const work = () => cancel(context, run);
  await audited(context.database, { actor, action: 'cancel', target }, { work }).catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
  });
}
