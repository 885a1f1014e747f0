import { describe, expect, it } from 'vitest';
import { GateClosedError, OperatorError, PermanentError, TransientError, UsageError } from '../../src/domain/errors.ts';
import {
  type CatchUpPolicy,
  checkJitter,
  checkScheduleName,
  decideDue,
  decideFiringRetry,
  decideStart,
  firingRetryPolicy,
  jitterOf,
  MAX_CATCH_UP,
} from '../../src/domain/schedule.ts';

const HOUR = 3_600_000;
const at = (text: string) => new Date(text);

describe('what is due', () => {
  const hourly = (catchUp: CatchUpPolicy, nextAt: string, windowHours = 24) => ({
    ...{ cron: '0 * * * *', timeZone: 'UTC', catchUp, catchUpWindowMs: windowHours * HOUR, nextAt: at(nextAt) },
  });

  it('is fired once when somebody looks within a minute, whatever the policy', () => {
    for (const catchUp of ['none', 'latest', 'all'] as const)
      expect(decideDue(hourly(catchUp, '2026-01-01T05:00Z'), at('2026-01-01T05:00:42Z'))).toEqual({
        firings: [{ dueAt: at('2026-01-01T05:00Z'), kind: 'cron' }],
        missed: null,
        nextAt: at('2026-01-01T06:00Z'),
      });
  });

  it('during an absence is left out, or made up for by its latest time, or by all', () => {
    const now = at('2026-01-01T05:30Z');
    const none = decideDue(hourly('none', '2026-01-01T02:00Z'), now);
    expect(none).toMatchObject({ firings: [], nextAt: at('2026-01-01T06:00Z') });
    expect(none.missed).toMatchObject({ dueAt: at('2026-01-01T05:00Z'), reason: expect.stringMatching(/^4 times/) });
    const latest = decideDue(hourly('latest', '2026-01-01T02:00Z'), now);
    expect(latest.firings).toEqual([{ dueAt: at('2026-01-01T05:00Z'), kind: 'catch-up' }]);
    expect(latest.missed?.dueAt).toEqual(at('2026-01-01T04:00Z'));
    const all = decideDue(hourly('all', '2026-01-01T02:00Z'), now);
    expect(all.firings.map(({ dueAt }) => dueAt.getUTCHours())).toEqual([2, 3, 4, 5]);
    expect(all.missed).toBeNull();
  });

  it('during an absence that ends just when it is due again is not made up for twice', () => {
    const now = at('2026-01-01T05:00:03Z');
    const latest = decideDue(hourly('latest', '2026-01-01T03:00Z'), now);
    expect(latest.firings).toEqual([{ dueAt: at('2026-01-01T05:00Z'), kind: 'cron' }]);
    const all = decideDue(hourly('all', '2026-01-01T03:00Z'), now);
    expect(all.firings.map(({ kind }) => kind)).toEqual(['catch-up', 'catch-up', 'cron']);
  });

  it('longer ago than the window is left out', () => {
    const all = decideDue(hourly('all', '2026-01-01T00:00Z', 2), at('2026-01-01T05:30Z'));
    expect(all.firings.map(({ dueAt }) => dueAt.getUTCHours())).toEqual([4, 5]);
    expect(all.missed?.dueAt).toEqual(at('2026-01-01T03:00Z'));
    expect(decideDue(hourly('latest', '2025-12-31T00:00Z', 24), at('2025-12-31T00:59Z')).firings).toHaveLength(1);
    const daily = { ...hourly('latest', '2026-01-01T00:00Z', 2), cron: '0 0 * * *' };
    expect(decideDue(daily, at('2026-01-01T03:00Z'))).toMatchObject({ firings: [], nextAt: at('2026-01-02T00:00Z') });
  });

  it('is bounded after a long absence, and does not take long to tell', () => {
    const minutely = { ...hourly('all', '2020-01-01T00:00Z', 8_784), cron: '* * * * *' };
    const begunAt = performance.now();
    const { firings, missed, nextAt } = decideDue(minutely, at('2026-01-01T00:30:30Z'));
    expect(performance.now() - begunAt).toBeLessThan(2_000);
    expect(firings).toHaveLength(MAX_CATCH_UP + 1);
    expect(missed?.reason).toContain('or more');
    expect(nextAt).toEqual(at('2026-01-01T00:31Z'));
  });

  it('is nothing any more when there is no later time', () => {
    const once = { ...hourly('latest', '2026-01-01T00:00Z'), cron: '0 0 30 2 *' };
    expect(decideDue(once, at('2026-01-01T00:00:05Z'))).toMatchObject({ nextAt: null, firings: [{ kind: 'cron' }] });
  });
});

describe('jitter', () => {
  it('is the same for the same firing, differs between firings, and stays within its bound', () => {
    const schedule = { id: 7, jitterMs: 600_000 };
    const all = Array.from({ length: 500 }, (_unused, day) => jitterOf(schedule, new Date(day * 86_400_000)));
    expect(jitterOf(schedule, new Date(0))).toBe(all[0]);
    expect(Math.min(...all)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...all)).toBeLessThan(600_000);
    expect(new Set(all).size).toBeGreaterThan(490);
    expect(all.reduce((sum, each) => sum + each, 0) / all.length / 300_000).toBeCloseTo(1, 0);
  });

  it('must be shorter than the time between two firings', () => {
    const now = at('2026-01-01T00:00Z');
    const timetable = { cron: '0,10 3 * * *', timeZone: 'UTC' };
    expect(() => checkJitter(timetable, 599_000, now)).not.toThrow();
    expect(() => checkJitter(timetable, 600_000, now)).toThrow(expect.objectContaining({ code: 'bad-jitter' }));
  });
});

describe('a firing that could start', () => {
  const one = [{ id: 9, kind: 'cron' }] as const;
  const free = { runs: [], starting: [] };
  const busy = { runs: [{ firing: 1, run: 'r1' }], starting: [] };
  const planned = { runs: [], starting: [1] };

  it('starts when nothing is under way, whatever the policy', () => {
    for (const overlap of ['skip', 'queue', 'cancel', 'allow'] as const)
      expect(decideStart(overlap, one, free)).toEqual({ kind: 'start', firing: 9 });
  });

  it('is left out, waits, ends the old, or starts beside it, as the policy says', () => {
    expect(decideStart('skip', one, busy)).toMatchObject({ kind: 'skip', reason: expect.stringContaining('r1') });
    expect(decideStart('skip', one, planned)).toMatchObject({ kind: 'skip' });
    expect(decideStart('queue', one, busy)).toEqual({ kind: 'none' });
    expect(decideStart('cancel', one, busy)).toEqual({ kind: 'cancel', runs: ['r1'] });
    expect(decideStart('cancel', one, planned)).toEqual({ kind: 'none' });
    expect(decideStart('allow', one, busy)).toEqual({ kind: 'start', firing: 9 });
  });

  it('waits as the only one', () => {
    const two = [...one, { id: 10, kind: 'manual' }] as const;
    expect(decideStart('queue', two, busy)).toEqual({ kind: 'skip', firing: 10, reason: 'another waits already' });
  });

  it('is not in its own way, when a part of its runs could not be planned', () => {
    expect(decideStart('skip', [{ id: 1, kind: 'cron' }], busy)).toEqual({ kind: 'start', firing: 1 });
  });

  it('goes in turn when it makes up for an absence or fills a gap, whatever the policy', () => {
    const gaps = [
      { id: 8, kind: 'backfill' },
      { id: 9, kind: 'catch-up' },
    ] as const;
    for (const overlap of ['skip', 'queue', 'cancel', 'allow'] as const) {
      expect(decideStart(overlap, gaps, busy)).toEqual({ kind: 'none' });
      expect(decideStart(overlap, gaps, free)).toEqual({ kind: 'start', firing: 8 });
    }
  });
});

describe('a firing that could not start', () => {
  const now = at('2026-01-01T00:00Z');
  const ask = (error: unknown, attempt = 1, random = 1) => decideFiringRetry(error, { attempt, now, random });

  it('is tried again after longer and longer pauses, and not for ever', () => {
    const error = new TransientError('down', { code: 'http-503' });
    const pauses = Array.from({ length: firingRetryPolicy.maxAttempts - 1 }, (_unused, past) => ask(error, past + 1));
    const delays = pauses.map((pause) => (pause.kind === 'retry' ? pause.delayMs : 0));
    expect(delays).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000]);
    expect(ask(error, firingRetryPolicy.maxAttempts)).toEqual({ kind: 'give-up' });
    expect(ask(error, 1, 0)).toEqual({ kind: 'retry', delayMs: 15_000 });
  });

  it('is tried again when the operator can put it right, but not when only the request can', () => {
    expect(ask(new OperatorError('full', { code: 'disk-full' })).kind).toBe('retry');
    expect(ask(new Error('what?')).kind).toBe('retry');
    expect(ask(new UsageError('no such entity', { code: 'unknown-entity' }))).toEqual({ kind: 'give-up' });
    expect(ask(new PermanentError('gone', { code: 'http-404' }))).toEqual({ kind: 'give-up' });
  });

  it('waits for as long as the source asked for', () => {
    const retryAt = new Date(now.getTime() + 77_000);
    const throttled = new TransientError('later', { code: 'http-429', retryAt });
    expect(ask(throttled)).toEqual({ kind: 'retry', delayMs: 77_000 });
    expect(ask(new GateClosedError('oda', 88_000))).toEqual({ kind: 'retry', delayMs: 88_000 });
  });
});

it.each(['', 'Nightly', 'a b', '-a', 'a/b', 'ø', 'x'.repeat(64), '<b>'])('"%s" is no name for a schedule', (name) => {
  expect(() => checkScheduleName(name)).toThrow(expect.objectContaining({ code: 'bad-schedule-name' }));
});
