const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?$/;

/**
 * The timestamp as the source wrote it, when it is one that PostgreSQL takes for a `timestamp` without asking: a real
 * date and time of the years 1 to 9999, without a zone. Null for all else.
 */
export function readTimestamp(value: unknown): string | null {
  if (typeof value !== 'string' || !TIMESTAMP.test(value)) return null;
  const part = (from: number, to: number) => Number(value.slice(from, to));
  const isTime = part(11, 13) < 24 && part(14, 16) < 60 && part(17, 19) < 60;
  const [year, month, day] = [part(0, 4), part(5, 7), part(8, 10)];
  const isDate = year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  return isTime && isDate ? value : null;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
