import { UsageError } from './errors.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `90s`, `15m`, `6h` or `2d`. Throws a UsageError for anything else, or beyond the limits. */
export function parseDuration(text: string, { atLeastMs, atMostMs }: { atLeastMs: number; atMostMs: number }): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text.trim());
  const value = match === null ? Number.NaN : Number(match[1]) * (UNITS[match[2] ?? ''] ?? Number.NaN);
  if (value >= atLeastMs && value <= atMostMs) return value;
  throw new UsageError(
    `"${text}" is not a duration from ${formatDuration(atLeastMs)} to ${formatDuration(atMostMs)}. Write a whole number and a unit: 90s, 15m, 6h or 2d.`,
    { code: 'bad-duration', facts: { asked: text } },
  );
}

/** `90s`, `15m`, `6h`, `2d`: what `parseDuration` reads, in the largest unit that fits. */
export function formatDuration(ms: number): string {
  const fitting = Object.entries(UNITS).findLast(([, unit]) => ms >= unit && ms % unit === 0);
  return fitting === undefined ? `${Math.round(ms / 1_000)}s` : `${ms / fitting[1]}${fitting[0]}`;
}
