import type { StoredError } from './errors.ts';

/**
 * How one attempt at a slice ended. Returned, never thrown; `workers/settle.ts` alone turns it into ledger states and
 * queue jobs.
 */
export type SliceOutcome =
  /** Every page of the slice is staged. */
  | { readonly kind: 'staged' }
  /** The gate is closed: to be worked again after so long, at no cost of an attempt. */
  | { readonly kind: 'postponed'; readonly waitMs: number }
  /** This worker is stopping, or the run no longer fetches: back to pending, at no cost of an attempt. */
  | { readonly kind: 'handed-back' }
  /** The attempt failed; the retry policy decides whether there is another. */
  | { readonly kind: 'failed'; readonly error: StoredError; readonly cause: unknown }
  /** Someone else holds the slice now, or it was settled before: nothing to do, and nothing may be written. */
  | { readonly kind: 'abandoned'; readonly reason: string };
