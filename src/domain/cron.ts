import { Cron } from 'croner';
import { UsageError } from './errors.ts';
import { checkDay } from './moment.ts';
import { didYouMean } from './nearest.ts';

/** When something is due: a cron expression, read in a time zone. */
export interface Timetable {
  /** Five fields, or six with seconds first. */
  readonly cron: string;
  /** A name of the IANA database, e.g. `Europe/Copenhagen`. */
  readonly timeZone: string;
}

/** Enough for any that a person wrote; each field may be a list. */
export const MAX_CRON_LENGTH = 200;

/**
 * Throws a UsageError for an expression or a time zone that makes no sense, and for one that is never due. Returns the
 * timetable as it is to be stored: without needless blanks, the zone as the database spells it.
 */
export function checkTimetable({ cron, timeZone }: Timetable, now: Date): Timetable {
  const checked = { cron: checkFields(cron), timeZone: checkTimeZone(timeZone) };
  try {
    compile(checked);
  } catch (cause) {
    throw notCron(cron, detailOf(cause), cause);
  }
  if (nextAfter(checked, now) !== null) return checked;
  throw new UsageError(`"${cron}" is never due: there is no such day. Check its day and month.`, {
    code: 'bad-cron',
    facts: { asked: cron },
  });
}

/** The library takes more than we promise, such as a single date or `@reboot`, and lists without end. */
function checkFields(asked: string): string {
  const cron = asked.trim().replaceAll(/\s+/g, ' ');
  if (cron.length > MAX_CRON_LENGTH)
    throw new UsageError(
      `A cron expression has ${MAX_CRON_LENGTH} characters at most; this one has ${cron.length}. Make several schedules of it, or write ranges and steps.`,
      { code: 'bad-cron', facts: { length: cron.length } },
    );
  const fields = cron === '' ? 0 : cron.split(' ').length;
  if (fields === 5 || fields === 6) return cron;
  throw notCron(asked, `it has ${fields === 1 ? 'one field' : `${fields} fields`}, not five or six`);
}

function notCron(asked: string, detail: string, cause?: unknown): UsageError {
  return new UsageError(
    `"${asked}" is not a cron expression: ${detail}. Write five fields (minute, hour, day of the month, month, day of the week), e.g. '30 2 * * *' for half past two every day.`,
    { code: 'bad-cron', facts: { asked }, cause },
  );
}

function detailOf(cause: unknown): string {
  return (cause as Error).message.replace(/^Cron\w+: /, '').replace(/\.$/, '');
}

function checkTimeZone(asked: string): string {
  try {
    // Offsets are zones, too, by now; but they know nothing of the changes of the clock, and so are most often a mistake.
    if (/^[A-Za-z]/.test(asked)) return new Intl.DateTimeFormat('en', { timeZone: asked }).resolvedOptions().timeZone;
  } catch {
    // Not known, as all that follows below.
  }
  const names = [...Intl.supportedValuesOf('timeZone'), 'UTC'];
  throw new UsageError(
    `There is no time zone "${asked}".${didYouMean(asked, names)} Give a name of the IANA database, e.g. Europe/Copenhagen or UTC.`,
    { code: 'unknown-time-zone', facts: { asked } },
  );
}

/**
 * The one place that says when something is due; the queue is told to ask it, too (see queues/queues.ts). How changes of
 * the clock are taken: a time of day (`30 2 * * *`, `0 2,14 * * *`) is due once on each day, at its first occurrence when
 * it comes twice, and when the clock jumps when it does not come. What repeats within hours, or each hour (a star or a
 * step), keeps its pace in real time: what the clock jumps over has not been, and what it repeats comes again.
 */
function compile({ cron, timeZone }: Timetable): Cron {
  return new Cron(cron, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true });
}

/**
 * Reads a timetable that was checked when it was stored. It may make no sense here all the same: its zone is not known to
 * this build of Node, or it was changed in the database by hand.
 */
function read<Result>(timetable: Timetable, ask: (cron: Cron) => Result): Result {
  const { cron, timeZone } = timetable;
  try {
    new Intl.DateTimeFormat('en', { timeZone }); // the cron library takes none for the machine's own
    return ask(compile(timetable));
  } catch (cause) {
    throw new UsageError(
      `When "${cron}" in the time zone "${timeZone}" is due cannot be told: ${detailOf(cause)}. Update Node if it does not know the zone yet; or else remove the schedule, and add it again.`,
      { code: 'unreadable-timetable', facts: { cron, timeZone }, cause },
    );
  }
}

/** Whether it can be told here when this is due. */
export function isReadable(timetable: Timetable): boolean {
  try {
    nextAfter(timetable, new Date());
    return true;
  } catch {
    return false;
  }
}

/** The first due time after `after`; null when there is none any more. */
export function nextAfter(timetable: Timetable, after: Date): Date | null {
  return read(timetable, (cron) => cron.nextRun(after));
}

/** The first due times after `after`, `count` at most. */
export function nextTimes(timetable: Timetable, after: Date, count: number): Date[] {
  return read(timetable, (cron) => cron.nextRuns(count, after));
}

/** The last due times up to and including `upto`, the oldest first; none before `from`, `count` at most. */
export function timesUpTo(
  timetable: Timetable,
  { from, upto, count }: { readonly from: Date; readonly upto: Date; readonly count: number },
): Date[] {
  const beyond = new Date(Math.floor(upto.getTime() / 1_000) * 1_000 + 1_000); // due times are whole seconds
  const times = read(timetable, (cron) => cron.previousRuns(count, beyond));
  return times.filter((time) => time >= from).toReversed();
}

/** The due times in a span, its start included, its end not; `count` at most. */
export function timesWithin(
  timetable: Timetable,
  { from, to, count }: { readonly from: Date; readonly to: Date; readonly count: number },
): Date[] {
  return read(timetable, (cron) => {
    const times: Date[] = [];
    let time = cron.nextRun(new Date(Math.ceil(from.getTime() / 1_000) * 1_000 - 1_000));
    while (time !== null && time < to && times.length < count) {
      times.push(time);
      time = cron.nextRun(time);
    }
    return times;
  });
}

/** A moment as a clock in the zone shows it, with the zone's offset: `2026-03-29 03:00:00 +02:00`. */
export function formatInZone(moment: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    dateStyle: undefined,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  }).formatToParts(moment);
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((each) => each.type === type)?.value ?? '';
  const offset = part('timeZoneName').replace('GMT', '') || '+00:00';
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}:${part('second')} ${offset}`;
}

const MOMENT = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * A moment that a person wrote: a date, or a date and a time of day, with an offset or else as a clock in the zone shows
 * it. Throws a UsageError for anything else.
 */
export function parseMoment(text: string, timeZone: string): Date {
  const match = MOMENT.exec(text.trim());
  const moment = match === null ? null : readMoment(match[0], match[1], timeZone);
  if (moment !== null && !Number.isNaN(moment.getTime())) return moment;
  throw new UsageError(
    `"${text}" is not a moment. Write a date, 2026-11-01, or a date and a time, 2026-11-01T02:30 or 2026-11-01T02:30Z.`,
    { code: 'bad-moment', facts: { asked: text } },
  );
}

function readMoment(text: string, offset: string | undefined, timeZone: string): Date | null {
  const written = text.replace(' ', 'T');
  checkDay(written);
  if (offset !== undefined) return new Date(written);
  const local = written.length === 10 ? `${written}T00:00:00` : written.length === 16 ? `${written}:00` : written;
  // 24:00 would be read as the next day.
  if (Number.isNaN(Date.parse(`${local}Z`)) || !new Date(`${local}Z`).toISOString().startsWith(local)) return null;
  return new Cron(local, { timezone: timeZone, paused: true, allowPast: true }).nextRun(new Date(0));
}
