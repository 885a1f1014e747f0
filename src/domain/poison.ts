import type { StoredError } from './errors.ts';

/**
 * A poison slice kills whoever works it: a page that exhausts the memory, or brings down a library. A worker takes the
 * slices beside it along, so that a death alone accuses nobody. A slice whose worker died twice without a page of
 * progress is suspect and worked alone in its process; dying there is proof.
 */
const DEATHS_TO_SUSPECT = 2;
export const DEATHS_TO_SET_ASIDE = 3;

/** Whether a slice is to be worked alone, given how many workers died with it since it last staged a page. */
export function isSuspect(deaths: number): boolean {
  return deaths >= DEATHS_TO_SUSPECT;
}

/** What is known of a slice that is set aside. */
export interface PoisonFacts {
  readonly slice: number;
  readonly deaths: number;
  /** Everything up to here was staged; null when nothing was. */
  readonly cursor: number | null;
  /** Where the last worker died. */
  readonly host: string;
  readonly pid: number;
}

export function poisonError({ slice, deaths, cursor, host, pid }: PoisonFacts): StoredError {
  const place = cursor === null ? 'at its first page' : `at the page after ${cursor}`;
  return {
    code: 'poison-slice',
    message:
      `slice ${slice} was set aside: ${deaths} workers died in a row ${place}, the last one on ${host} (pid ${pid}). ` +
      'See why they died, then `sheaf retry` the run',
    facts: { slice, deaths, cursor, host, pid },
  };
}
