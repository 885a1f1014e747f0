import { UsageError } from '../../domain/errors.ts';
import { didYouMean } from '../../domain/nearest.ts';
import { type DueDecision, jitterOf, type NewSchedule } from '../../domain/schedule.ts';
import { type Database, inTransaction } from '../database.ts';
import { asc, eq } from '../drizzle.ts';
import { type ScheduleRow, schedules } from '../schema.ts';

/** What time it is for all of the fleet: schedules go by this clock, whatever a machine's own says. */
export async function databaseNow({ pool }: Database): Promise<Date> {
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
  return rows[0]?.now ?? new Date();
}

/** Writes a schedule down. Throws a UsageError when there is one of that name. */
export async function insertSchedule(
  { orm }: Database,
  schedule: NewSchedule & { readonly nextAt: Date | null },
): Promise<ScheduleRow> {
  const rows = await orm.insert(schedules).values(schedule).onConflictDoNothing({ target: schedules.name }).returning();
  if (rows[0] !== undefined) return rows[0];
  throw new UsageError(
    `There is a schedule "${schedule.name}" already. Choose another name, or remove that one first: sheaf schedule remove ${schedule.name}`,
    { code: 'schedule-exists', facts: { schedule: schedule.name } },
  );
}

/** Throws a UsageError that names the nearest for a name that is not known. */
export async function getSchedule(database: Database, name: string): Promise<ScheduleRow> {
  const rows = await database.orm.select().from(schedules).where(eq(schedules.name, name));
  if (rows[0] !== undefined) return rows[0];
  const names = (await listSchedules(database)).map((each) => each.name);
  throw new UsageError(
    `There is no schedule "${name}".${didYouMean(name, names)} \`sheaf schedule list\` shows what there is.`,
    { code: 'unknown-schedule', facts: { asked: name } },
  );
}

export async function getScheduleById({ orm }: Database, id: number): Promise<ScheduleRow | undefined> {
  const rows = await orm.select().from(schedules).where(eq(schedules.id, id));
  return rows[0];
}

export async function listSchedules({ orm }: Database): Promise<ScheduleRow[]> {
  return orm.select().from(schedules).orderBy(asc(schedules.name));
}

/** Removes a schedule, and its firings with it; their runs stay. False when it was gone. */
export async function deleteSchedule({ pool }: Database, id: number): Promise<boolean> {
  const { rowCount } = await pool.query('delete from sheaf.schedules where id = $1', [id]);
  return rowCount === 1;
}

/** Pauses a schedule; what waits to be started is left out. False when it was paused already. */
export async function pauseSchedule({ pool }: Database, id: number): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      'update sheaf.schedules set paused_at = now(), next_at = null where id = $1 and paused_at is null',
      [id],
    );
    await client.query(LEAVE_OUT, [id]);
    return rowCount === 1;
  });
}

/** Ends a pause. False when there was none. */
export async function resumeSchedule({ pool }: Database, id: number, nextAt: Date | null): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    await client.query(LEAVE_OUT, [id]); // what was being planned when the pause began, and could not be
    const { rowCount } = await client.query(
      'update sheaf.schedules set paused_at = null, next_at = $2 where id = $1 and paused_at is not null',
      [id, nextAt],
    );
    return rowCount === 1;
  });
}

/** Lets go of the firings of a paused schedule that were due, or asked for, before the pause. */
const LEAVE_OUT = `
  update sheaf.schedule_firings f set state = 'skipped', settled_at = now(), reason = 'the schedule was paused'
  from sheaf.schedules s
  where s.id = $1 and f.schedule_id = s.id and f.state = 'waiting' and f.created_at <= s.paused_at`;

/** A schedule that is due, with the time by the database's clock. */
export type DueSchedule = ScheduleRow & { readonly nextAt: Date };

/** The schedules that are due, or whether one of them is. */
export async function dueSchedules(database: Database, now: Date, id?: number): Promise<DueSchedule[]> {
  const all = await listSchedules(database);
  const isDue = (each: ScheduleRow): each is DueSchedule => each.nextAt !== null && each.nextAt <= now;
  return all.filter(isDue).filter((each) => id === undefined || each.id === id);
}

/**
 * The compare-and-set that makes every due time fire once: moves the schedule on from the due time that was seen, and
 * writes down what is to be fired, in one transaction. A time that has its firing already, because `next_at` was set back
 * with the clock, gets no other. Returns what was noted as missed: nothing when somebody else has moved the schedule on, or
 * it was paused meanwhile.
 */
export async function takeDue(
  { pool }: Database,
  schedule: DueSchedule,
  decision: DueDecision,
): Promise<DueDecision['missed']> {
  return inTransaction(pool, async (client) => {
    // In milliseconds, as our dates are: a time that was set by hand in SQL may be finer.
    const { rowCount } = await client.query(
      `update sheaf.schedules set next_at = $3
       where id = $1 and date_trunc('milliseconds', next_at) = $2`,
      [schedule.id, schedule.nextAt, decision.nextAt],
    );
    if (rowCount !== 1) return null;
    for (const { kind, dueAt } of decision.firings) {
      const startAt = new Date(dueAt.getTime() + jitterOf(schedule, dueAt));
      await client.query(
        `insert into sheaf.schedule_firings (schedule_id, kind, due_at, start_at) values ($1, $2, $3, $4) ${UNLESS_FIRED}`,
        [schedule.id, kind, dueAt, startAt],
      );
    }
    if (decision.missed === null) return null;
    const missed = await client.query(
      `insert into sheaf.schedule_firings (schedule_id, kind, due_at, start_at, state, reason, settled_at)
       values ($1, 'catch-up', $2, $2, 'skipped', $3, now()) ${UNLESS_FIRED}`,
      [schedule.id, decision.missed.dueAt, decision.missed.reason],
    );
    return missed.rowCount === 1 ? decision.missed : null;
  });
}

const UNLESS_FIRED = `on conflict (schedule_id, due_at) where kind in ('cron', 'catch-up') do nothing`;
