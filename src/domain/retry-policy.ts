import { TransientError } from './errors.ts';

export interface RetryPolicy {
  /** How often a request is sent at most, the first time included. */
  readonly maxAttempts: number;
  /** The first pause; it doubles with each attempt. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
}

/** For one request inside a page. */
export const requestRetryPolicy: RetryPolicy = { maxAttempts: 4, baseDelayMs: 250, maxDelayMs: 8_000 };

/** For a whole slice, after its requests' own retries have been used up. */
export const sliceRetryPolicy: RetryPolicy = { maxAttempts: 4, baseDelayMs: 2_000, maxDelayMs: 60_000 };

export type RetryDecision = { readonly kind: 'retry'; readonly delayMs: number } | { readonly kind: 'give-up' };

interface RetryQuestion {
  /** How many attempts have failed, this one included. */
  readonly attempt: number;
  readonly now: Date;
  /** From 0 up to 1; where in the allowed range the pause falls. */
  readonly random: number;
}

/**
 * Whether to try again, and after how long: exponential backoff with "full jitter" (a pause drawn evenly between
 * nothing and the exponential bound), so that workers that failed together do not return together. A `Retry-After`
 * of the source is a lower bound.
 */
export function decideRetry(error: unknown, policy: RetryPolicy, question: RetryQuestion): RetryDecision {
  const isWorthwhile = error instanceof TransientError;
  if (!isWorthwhile || question.attempt >= policy.maxAttempts) return { kind: 'give-up' };
  const bound = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (question.attempt - 1));
  const jittered = Math.round(bound * question.random);
  const askedMs = error.retryAt === null ? 0 : error.retryAt.getTime() - question.now.getTime();
  return { kind: 'retry', delayMs: Math.max(jittered, askedMs, 0) };
}
