import { UsageError } from './errors.ts';

/**
 * planning → fetching → finalising → complete | partial | failed; fetching ⇄ paused; and cancelled from any that has not
 * ended. `failed` and `partial` runs can be resumed, which opens their next generation. The migrations tell who moves what.
 */
export const runStates = [
  'planning',
  'fetching',
  'paused',
  'finalising',
  'complete',
  'partial',
  'failed',
  'cancelled',
] as const;
export type RunState = (typeof runStates)[number];

const ended: ReadonlySet<RunState> = new Set(['complete', 'partial', 'failed', 'cancelled']);

export function hasEnded(state: RunState): boolean {
  return ended.has(state);
}

/**
 * What is still expected of a run. A repair counts its ranges before it is planned, and once more at its end: where it has
 * brought more meanwhile, because the source has grown in them, the first count says nothing any more.
 */
export function stillExpected(
  { expected, ranges }: { readonly expected: number | null; readonly ranges: readonly unknown[] | null },
  come: number,
): number | null {
  return ranges !== null && expected !== null && come > expected ? null : expected;
}

const ALPHABET = 'abcdefghjkmnpqrstvwxyz0123456789'; // 32 characters, none mistaken for another

/**
 * A run's name: its UTC start and four random characters, e.g. `20261121-153012-x7k2`. Sortable, and unique across
 * installations that write into the same export directory.
 */
export function newRunId(now: Date, randomBytes: Uint8Array): string {
  const [date, time] = now.toISOString().replaceAll(/[-:]/g, '').slice(0, 15).split('T');
  const tail = Array.from(randomBytes.subarray(0, 4), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
  return `${date}-${time}-${tail}`;
}

/** A whole run id, an end of one (`x7k2`), or `latest`; throws a UsageError for anything else. */
export function checkRunReference(text: string): string {
  if (text === 'latest' || /^[0-9a-z-]{2,20}$/.test(text)) return text;
  throw new UsageError(
    `"${text}" is not a run. Give its id, the end of its id, or "latest"; \`sheaf runs\` lists them.`,
    {
      code: 'bad-run-reference',
      facts: { asked: text },
    },
  );
}

const EXIT_CODES: Readonly<Record<RunState, number>> = {
  complete: 0,
  failed: 1,
  partial: 3,
  cancelled: 4,
  planning: 0,
  fetching: 0,
  paused: 0,
  finalising: 0,
};

/** 0 complete (or handed over), 1 failed, 3 partial, 4 cancelled; of several runs the worst that asks for action. */
export function exitCodeOf(states: readonly RunState[]): number {
  const codes = states.map((state) => EXIT_CODES[state]);
  return [1, 4, 3].find((code) => codes.includes(code)) ?? 0;
}
