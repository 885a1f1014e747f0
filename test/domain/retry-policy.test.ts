import { describe, expect, it } from 'vitest';
import { GateClosedError, PermanentError, TransientError } from '../../src/domain/errors.ts';
import { decideRetry, type RetryPolicy } from '../../src/domain/retry-policy.ts';

const policy: RetryPolicy = { maxAttempts: 4, baseDelayMs: 100, maxDelayMs: 300 };
const now = new Date('2026-01-01T00:00:00Z');
const transient = (retryAt: Date | null = null) => new TransientError('busy', { code: 'busy', retryAt });
const decide = (error: unknown, attempt = 1, random = 1) => decideRetry(error, policy, { attempt, now, random });

describe('decideRetry', () => {
  it.each([
    [1, 100],
    [2, 200],
    [3, 300],
  ])('doubles the longest pause with each attempt, up to its bound (attempt %i)', (attempt, delayMs) => {
    expect(decide(transient(), attempt)).toEqual({ kind: 'retry', delayMs });
  });

  it('draws the pause evenly between nothing and the longest', () => {
    expect(decide(transient(), 2, 0)).toEqual({ kind: 'retry', delayMs: 0 });
    expect(decide(transient(), 2, 0.25)).toEqual({ kind: 'retry', delayMs: 50 });
  });

  it('gives up after the last attempt', () => {
    expect(decide(transient(), 4)).toEqual({ kind: 'give-up' });
    expect(decide(transient(), 9)).toEqual({ kind: 'give-up' });
  });

  it('waits at least as long as the source asked for, beyond the bound too', () => {
    expect(decide(transient(new Date(now.getTime() + 5_000)), 1, 0)).toEqual({ kind: 'retry', delayMs: 5_000 });
    expect(decide(transient(new Date(now.getTime() + 10)), 1, 1)).toEqual({ kind: 'retry', delayMs: 100 });
  });

  it('does not wait for a time that has passed', () => {
    expect(decide(transient(new Date(0)), 1, 0)).toEqual({ kind: 'retry', delayMs: 0 });
  });

  it.each([
    new PermanentError('no', { code: 'no' }),
    new GateClosedError('oda', 1_000),
    new TypeError('bug'),
    'text',
    undefined,
  ])('gives up at once on what trying again cannot help: %s', (error) => {
    expect(decide(error)).toEqual({ kind: 'give-up' });
  });
});
