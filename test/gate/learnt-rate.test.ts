import { describe, expect, it } from 'vitest';
import { type LearntRate, learn, rateAt } from '../../src/gate/learnt-rate.ts';

const throttling = { now: 5_000, sentAt: 4_900, allowed: 10, answered: 9 };

describe('the rate that was learnt', () => {
  const learnt: LearntRate = { limit: 10, keptShare: 0.8, isGuess: false, learntAt: 0 };

  it('falls below the limit, comes back to it, lingers, and probes beyond', () => {
    expect(rateAt(learnt, 0)).toBeCloseTo(8);
    expect(rateAt(learnt, 2_500)).toBeCloseTo(9.75);
    expect(rateAt(learnt, 5_000)).toBeCloseTo(10);
    expect(rateAt(learnt, 7_500)).toBeCloseTo(10.1, 1);
    expect(rateAt(learnt, 60_000)).toBeGreaterThan(100);
    expect(rateAt(learnt, 60_001)).toBe(Number.POSITIVE_INFINITY);
  });

  it('doubles every two seconds while it is no more than a guess', () => {
    const guess = { ...learnt, limit: 1, isGuess: true };
    expect([0, 2_000, 4_000].map((now) => rateAt(guess, now))).toEqual([1, 2, 4]);
  });

  it('never falls with time, whatever the clock says', () => {
    for (let now = 0; now < 100_000; now += 1_000)
      expect(rateAt(learnt, now + 1_000)).toBeGreaterThanOrEqual(rateAt(learnt, now));
    expect(rateAt(learnt, -7_200_000)).toBeCloseTo(8);
  });

  it('is what was allowed when the source throttled', () => {
    expect(learn(null, throttling)).toEqual({ limit: 10, keptShare: 0.97, isGuess: false, learntAt: 5_000 });
  });

  it('is what the source answered when much more was allowed than was sent', () => {
    expect(learn(null, { ...throttling, allowed: Number.POSITIVE_INFINITY })).toMatchObject({
      limit: 9,
      isGuess: true,
    });
  });

  it('stays as it is when the request was sent before the last slow-down could show', () => {
    const known = learn(null, throttling);
    expect(learn(known, { ...throttling, now: 5_900, sentAt: 5_800 })).toBe(known);
  });

  it('gives up more amid many throttlings than after one alone', () => {
    const known = learn(null, throttling);
    const amidMany = { ...throttling, now: 6_200, sentAt: 6_100, allowed: 9.7 };
    expect(learn(known, amidMany)).toEqual({ limit: 9.7, keptShare: 0.75, isGuess: false, learntAt: 6_200 });
    expect(learn(known, { ...amidMany, now: 9_000, sentAt: 8_900 })).toMatchObject({ keptShare: 0.97 });
  });

  it('is not believed to have grown far beyond what was found before, however far probing went', () => {
    const known = learn(null, throttling);
    expect(learn(known, { ...throttling, now: 60_000, sentAt: 59_900, allowed: 1_000 })).toMatchObject({ limit: 15 });
  });

  it('is forgotten after a minute, a guess as well as a limit', () => {
    const late = { now: 70_000, sentAt: 69_900, allowed: Number.POSITIVE_INFINITY, answered: 90 };
    for (const isGuess of [true, false]) {
      const known = { limit: 2, keptShare: 0.97, isGuess, learntAt: 5_000 };
      expect(rateAt(known, late.now)).toBe(Number.POSITIVE_INFINITY);
      expect(learn(known, late)).toMatchObject({ limit: 90, isGuess: true });
    }
  });

  it('is never a guess that ran ahead unheeded', () => {
    const guess = { limit: 20, keptShare: 0.97, isGuess: true, learntAt: 0 };
    const throttled = { now: 20_000, sentAt: 19_900, allowed: rateAt(guess, 20_000), answered: 30 };
    expect(throttled.allowed).toBeGreaterThan(10_000);
    expect(learn(guess, throttled)).toMatchObject({ limit: 30, isGuess: true });
  });

  it('never comes to a standstill', () => {
    expect(learn(null, { ...throttling, allowed: Number.POSITIVE_INFINITY, answered: 0 }).limit).toBe(1);
    expect(learn(null, { ...throttling, allowed: 0.01 }).limit).toBe(0.1);
  });
});
