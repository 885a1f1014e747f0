import { parseDuration } from './duration.ts';
import { UsageError } from './errors.ts';

const ISO = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;
const LONGEST_MS = 36_500 * 86_400_000;

/**
 * A moment as people name it: `2026-11-21`, `2026-11-21T14:30`, with a zone or in UTC, or how long ago it was: `90m`, `2d`.
 * Throws a UsageError for anything else.
 */
export function parseMoment(text: string, now: Date): Date {
  const asked = text.trim();
  if (/^\d+[smhd]$/.test(asked)) {
    return new Date(now.getTime() - parseDuration(asked, { atLeastMs: 0, atMostMs: LONGEST_MS }));
  }
  const hasZone = /(?:Z|[+-]\d{2}:\d{2})$/.test(asked);
  const moment = new Date(ISO.test(asked) ? `${asked}${asked.includes('T') && !hasZone ? 'Z' : ''}` : Number.NaN);
  if (!Number.isNaN(moment.getTime())) return moment;
  throw new UsageError(
    `"${text}" is not a moment. Write 2026-11-21 or 2026-11-21T14:30 (UTC, or with a zone: +01:00), or how long ago: 6h, 2d.`,
    { code: 'bad-moment', facts: { asked: text } },
  );
}
