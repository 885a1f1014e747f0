/**
 * When records were last changed, by the source's own clock: from `from` on and before `before`. A step asks for those
 * only. Both are whole seconds, written as the source writes times, without a zone: fractions are rounded differently
 * by sources and their databases, and a bound inside a second might leave out the very record that it was taken from.
 */
export interface TimeWindow {
  readonly from: string;
  /** Null for no end. */
  readonly before: string | null;
  /** Along with them, the records without a timestamp: no bound can tell which of those have changed. */
  readonly withUntimed: boolean;
}

/**
 * How far a step reaches back behind the watermark: an hour, because a clock that is put back writes an hour's times
 * twice, and an hour more for what was written earlier than it could be seen.
 */
export const OVERLAP_MS = 2 * 3_600_000;

const LOCAL_TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?)?$/;

/** A date, or a date and time, without a zone, as a whole second; null for what is none, or does not exist. */
export function parseLocalTime(text: string): string | null {
  const match = LOCAL_TIME.exec(text.trim());
  if (match === null) return null;
  const [, year = '', month = '', day = '', hour = '00', minute = '00', second = '00'] = match;
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const isReal = year !== '0000' && !Number.isNaN(Date.parse(`${local}Z`)) && toLocal(toMs(local)) === local;
  return isReal ? local : null;
}

/** Where a step begins that goes on from a watermark. */
export function beforeWatermark(watermark: string): string {
  return toLocal(toMs(wholeSecond(watermark)) - OVERLAP_MS) ?? '0001-01-01T00:00:00';
}

/** The whole second after a timestamp; null when it would be after the year 9999, which nothing is. */
export function secondAfter(timestamp: string): string | null {
  return toLocal(toMs(wholeSecond(timestamp)) + 1_000);
}

/** What a clock in this time zone shows. */
export function clockIn(timeZone: string, now: Date): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' })
    .format(now)
    .replace(' ', 'T');
}

const DAY_MS = 86_400_000;

/** A timestamp by a clock in this time zone, or what that clock shows now, if that is earlier. */
export function untilNow(timestamp: string, timeZone: string, now: Date): string {
  // No zone is a whole day from UTC: what is older is past everywhere, and `Intl` takes 20 ms to wake up.
  if (toMs(wholeSecond(timestamp)) < now.getTime() - DAY_MS) return timestamp;
  const shown = clockIn(timeZone, now);
  return timestamp > shown ? shown : timestamp;
}

/** The later of two timestamps as sources write them; null is earlier than all. Texts of this form sort by time. */
export function later(one: string | null, other: string | null): string | null {
  return one === null || (other !== null && other > one) ? other : one;
}

function wholeSecond(timestamp: string): string {
  return timestamp.slice(0, 19);
}

/** As if it were UTC: only differences matter. */
function toMs(local: string): number {
  return Date.parse(`${local}Z`);
}

/** Null outside the years 1 to 9999. */
function toLocal(ms: number): string | null {
  const text = new Date(ms).toISOString();
  return /^\d{4}-/.test(text) && !text.startsWith('0000') ? text.slice(0, 19) : null;
}
