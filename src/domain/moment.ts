import { parseDuration } from './duration.ts';
import { UsageError } from './errors.ts';

const ISO = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;
const LONGEST_MS = 36_500 * 86_400_000;

/**
 * A moment as people name it: `2026-11-21`, `2026-11-21T14:30`, with a zone or in UTC, or how long ago it was: `90m`, `2d`.
 * Throws a UsageError for anything else, and for a day that no calendar has.
 */
export function parseMoment(text: string, now: Date): Date {
  const asked = text.trim();
  if (/^\d+[smhd]$/.test(asked)) {
    return new Date(now.getTime() - parseDuration(asked, { atLeastMs: 0, atMostMs: LONGEST_MS }));
  }
  if (!ISO.test(asked)) throw noMoment(text);
  checkDay(asked);
  const hasZone = /(?:Z|[+-]\d{2}:\d{2})$/.test(asked);
  const moment = new Date(`${asked}${asked.includes('T') && !hasZone ? 'Z' : ''}`);
  if (Number.isNaN(moment.getTime())) throw noMoment(text);
  return moment;
}

/** The same, of what has been: throws a UsageError for a moment that is still to come, too. */
export function parsePastMoment(text: string, now: Date): Date {
  const moment = parseMoment(text, now);
  if (moment <= now) return moment;
  throw new UsageError(
    `"${text}" is still to come: it is ${now.toISOString().slice(0, 16)} (UTC) now. Give a moment that has been.`,
    { code: 'bad-moment', facts: { asked: text } },
  );
}

/** Throws a UsageError when the day that a moment begins with is in no calendar: 31 November would be read as 1 December. */
export function checkDay(moment: string): void {
  const [year = 0, month = 0, day = 0] = moment.slice(0, 10).split('-').map(Number);
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
  if (month >= 1 && month <= 12 && day >= 1 && day <= last) return;
  throw new UsageError(`There is no day ${moment.slice(0, 10)} in the calendar.`, {
    code: 'bad-moment',
    facts: { asked: moment },
  });
}

function noMoment(text: string): UsageError {
  return new UsageError(
    `"${text}" is not a moment. Write 2026-11-21 or 2026-11-21T14:30 (UTC, or with a zone: +01:00), or how long ago: 6h, 2d.`,
    { code: 'bad-moment', facts: { asked: text } },
  );
}
