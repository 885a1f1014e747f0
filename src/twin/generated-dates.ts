import type { Random } from './seeded.ts';

const firstDay = Date.UTC(2014, 8, 9);
const lastDay = Date.UTC(2025, 5, 30);

/**
 * A point in time the way SQL Server's `datetime` prints it: steps of 1/300 s, so that milliseconds end in 0, 3 or 7; zeros at the
 * end cut, no fraction when it is zero; no zone. `share` 0 to 1 runs from September 2014 to June 2025.
 */
export function sqlDate(share: number): string {
  const milliseconds = firstDay + Math.floor(share * (lastDay - firstDay));
  const ticks = Math.floor(((milliseconds % 1000) * 3) / 10);
  const fraction = Math.round((ticks * 10) / 3);
  const whole = new Date(milliseconds - (milliseconds % 1000)).toISOString().slice(0, 19);
  return fraction === 0 ? whole : `${whole}.${String(fraction).padStart(3, '0').replace(/0+$/, '')}`;
}

/** A day, as the source writes one. */
export function sqlDay(share: number): string {
  return new Date(firstDay + Math.floor(share * (lastDay - firstDay))).toISOString().slice(0, 10) + 'T00:00:00';
}

/** Timestamps for the rows of a set, in runs: a row often shares the one of its neighbours, and sometimes a whole import does. */
export function timestamps(random: Random): () => string {
  let current = '';
  let left = 0;
  return () => {
    if (left === 0) {
      current = sqlDate(random());
      left = runLength(random());
    }
    left -= 1;
    return current;
  };
}

function runLength(draw: number): number {
  if (draw < 0.7) return 1;
  if (draw < 0.97) return 2 + Math.floor((draw - 0.7) * 20);
  return draw < 0.999 ? 40 : 300;
}
