import { describe, expect, it } from 'vitest';
import { createScenario, LONG_CUT_MS, strikeKinds } from './scenario.ts';

const seeds = Array.from({ length: 500 }, (_unused, position) => position + 1);

describe('a scenario of the fault suite', () => {
  it('is the same for the same seed, and another for another', () => {
    for (const seed of [1, 2, 77, 12_345]) expect(createScenario(seed)).toEqual(createScenario(seed));
    const texts = new Set(seeds.map((seed) => JSON.stringify({ ...createScenario(seed), seed: 0 })));
    expect(texts.size).toBe(500);
  });

  it('takes the engines in turn, and never strikes a Redis where there is none', () => {
    const scenarios = seeds.map((seed) => createScenario(seed));
    expect(scenarios.filter(({ engine }) => engine === 'redis')).toHaveLength(250);
    const onPostgres = scenarios.filter(({ engine }) => engine === 'postgres').flatMap(({ strikes }) => strikes);
    expect(onPostgres.filter(({ kind, store }) => kind.includes('redis') || store === 'redis')).toEqual([]);
  });

  it('has every kind often in 500 seeds, a third of them one kind alone', () => {
    const kindsOf = (seed: number) => new Set(createScenario(seed).strikes.map(({ kind }) => kind));
    for (const kind of strikeKinds)
      expect(seeds.filter((seed) => kindsOf(seed).has(kind)).length, kind).toBeGreaterThan(25);
    const alone = seeds.filter((seed) => kindsOf(seed).size === 1).length;
    expect(alone).toBeGreaterThan(130);
    expect(alone).toBeLessThan(210);
  });

  it('cuts a store for 40 s now and then, and not so often that nobody waits for it', () => {
    const long = seeds.filter((seed) => createScenario(seed).strikes.some(({ forMs }) => forMs === LONG_CUT_MS)).length;
    expect(long).toBeGreaterThan(5);
    expect(long).toBeLessThan(30);
  });

  it('strikes with nothing but what is asked for', () => {
    const strikes = seeds.flatMap((seed) => createScenario(seed, { kinds: ['kill-worker', 'flush-redis'] }).strikes);
    expect(new Set(strikes.map(({ kind }) => kind))).toEqual(new Set(['kill-worker', 'flush-redis']));
    expect(createScenario(3, { engine: 'postgres', kinds: ['flush-redis'] }).strikes).toEqual([]);
  });
});
