const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?$/;

/**
 * The timestamp as the source wrote it, when it is one that PostgreSQL takes for a `timestamp` without asking: a real
 * date and time of the years 1 to 9999, without a zone. Null for all else.
 */
export function readTimestamp(value: unknown): string | null {
  if (typeof value !== 'string' || !TIMESTAMP.test(value)) return null;
  const isTime = numberAt(value, 11, 2) < 24 && numberAt(value, 14, 2) < 60 && numberAt(value, 17, 2) < 60;
  const [year, month, day] = [numberAt(value, 0, 4), numberAt(value, 5, 2), numberAt(value, 8, 2)];
  const isDate = year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  return isTime && isDate ? value : null;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const DAY_SECONDS = 86_400;

/** Seconds since 1970, without their fraction, of a timestamp as `readTimestamp` gives it: as `Date.parse` would tell it, in a fifth of the time. */
export function secondsOf(timestamp: string): number {
  const days = daysSince1970(numberAt(timestamp, 0, 4), numberAt(timestamp, 5, 2), numberAt(timestamp, 8, 2));
  const [hours, minutes] = [numberAt(timestamp, 11, 2), numberAt(timestamp, 14, 2)];
  return days * DAY_SECONDS + hours * 3_600 + minutes * 60 + numberAt(timestamp, 17, 2);
}

/**
 * Microseconds of a timestamp's fraction, which is 0 to 9 digits. What is finer is rounded as PostgreSQL does when it reads the
 * text: by way of a double, halves to the even one.
 */
export function microsecondsOf(timestamp: string): number {
  const digits = timestamp.length - '2014-09-19T14:41:02.'.length;
  if (digits <= 0) return 0;
  const number = numberAt(timestamp, timestamp.length - digits, digits);
  if (digits <= 6) return number * 10 ** (6 - digits);
  const double = (number / 10 ** digits) * 1_000_000;
  const nearest = Math.round(double);
  return nearest - double === 0.5 && nearest % 2 === 1 ? nearest - 1 : nearest;
}

/** The number that so many decimal digits are. */
function numberAt(text: string, from: number, digits: number): number {
  let number = 0;
  for (let at = from; at < from + digits; at++) number = number * 10 + text.charCodeAt(at) - 0x30;
  return number;
}

/**
 * Of a date of the Gregorian calendar. The year begins in March here, so that a leap day is its last day, and months are 153 days
 * in five (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil).
 */
function daysSince1970(calendarYear: number, month: number, day: number): number {
  const year = month <= 2 ? calendarYear - 1 : calendarYear;
  const monthFromMarch = (month + 9) % 12;
  const dayOfYear = Math.floor((153 * monthFromMarch + 2) / 5) + day - 1;
  const leapDays = Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400);
  return year * 365 + leapDays + dayOfYear - DAYS_UNTIL_1970;
}

/** From 1 March of the year 0. */
const DAYS_UNTIL_1970 = 719_468;
