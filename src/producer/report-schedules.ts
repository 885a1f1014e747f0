import type { Database } from '../db/database.ts';
import { type FiringReport, recentFirings } from '../db/queries/schedule-firings.ts';
import { databaseNow } from '../db/queries/schedules.ts';
import type { ScheduleRow } from '../db/schema.ts';
import { nextTimes } from '../domain/cron.ts';
import { describeRequest } from '../domain/describe-request.ts';
import { toStoredError } from '../domain/errors.ts';
import { type HarvestRequest, REQUEST_DEFAULTS } from '../domain/harvest-request.ts';
import type { ScheduleRules } from '../domain/schedule.ts';
import { datasetsOf } from './schedule-runs.ts';

/** A schedule as lists, pages and the API show it. */
export interface ScheduleReport extends ScheduleRules {
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly datasets: readonly string[];
  /** What is asked for of each dataset, in words. */
  readonly asksFor: string;
  /** The same for programs. */
  readonly harvest: AskedOfEach;
  readonly state: 'active' | 'paused' | 'over';
  readonly createdAt: Date;
  /** Why it cannot be told when it is due, so that it does not fire; null when it can. */
  readonly error: string | null;
  /** The first is the table's own; none while it is paused, or cannot be told. */
  readonly nextTimes: readonly Date[];
  /** The newest first. */
  readonly firings: readonly Omit<FiringReport, 'schedule'>[];
}

export type AskedOfEach = Required<Omit<HarvestRequest, 'dataset' | 'out'>>;

/** How schedules stand, with so many next times and newest firings of each. */
export async function reportSchedules(
  database: Database,
  schedules: readonly ScheduleRow[],
  { times, firings }: { readonly times: number; readonly firings: number },
): Promise<ScheduleReport[]> {
  const ids = schedules.map(({ id }) => id);
  const [now, found] = await Promise.all([databaseNow(database), recentFirings(database, ids, firings)]);
  return schedules.map((schedule) => reportOf(schedule, now, { times, firings: found }));
}

/** How one schedule stands. */
export async function reportSchedule(
  database: Database,
  schedule: ScheduleRow,
  { times, firings }: { readonly times: number; readonly firings: number },
): Promise<ScheduleReport> {
  const [now, found] = await Promise.all([databaseNow(database), recentFirings(database, [schedule.id], firings)]);
  return reportOf(schedule, now, { times, firings: found });
}

type Found = Awaited<ReturnType<typeof recentFirings>>;

function reportOf(
  schedule: ScheduleRow,
  now: Date,
  { times, firings }: { readonly times: number; readonly firings: Found },
): ScheduleReport {
  const { name, cron, timeZone, overlap, catchUp, catchUpWindowMs, jitterMs, createdAt } = schedule;
  const own = firings.filter((firing) => firing.schedule === schedule.id).map(({ schedule: _, ...firing }) => firing);
  return {
    ...{
      name,
      cron,
      timeZone,
      datasets: datasetsOf(schedule),
      ...askedOf(schedule),
      overlap,
      catchUp,
      catchUpWindowMs,
      jitterMs,
    },
    ...{ state: stateOf(schedule), createdAt, ...upcoming(schedule, now, times), firings: own },
  };
}

/** All datasets of a schedule are asked for alike. */
function askedOf({ requests }: ScheduleRow): Pick<ScheduleReport, 'asksFor' | 'harvest'> {
  const { dataset: _dataset, out: _out, ...harvest } = { ...REQUEST_DEFAULTS, ...requests[0] };
  return { asksFor: describeRequest(harvest), harvest };
}

function stateOf({ pausedAt, nextAt }: ScheduleRow): ScheduleReport['state'] {
  if (pausedAt !== null) return 'paused';
  return nextAt === null ? 'over' : 'active';
}

type Upcoming = Pick<ScheduleReport, 'error' | 'nextTimes'>;

/** One schedule that cannot be read must not hide the others. */
function upcoming(schedule: ScheduleRow, now: Date, count: number): Upcoming {
  const { nextAt } = schedule;
  try {
    const following = nextTimes(schedule, nextAt !== null && nextAt > now ? nextAt : now, count - 1);
    return { error: null, nextTimes: nextAt === null ? [] : [nextAt, ...following] };
  } catch (error) {
    return { error: toStoredError(error).message, nextTimes: [] };
  }
}
