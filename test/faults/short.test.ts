import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runScenario } from './run-scenario.ts';
import { createScenario, type Engine, type StrikeKind } from './scenario.ts';
import { type SuiteLane, startSuiteLane } from './suite-lane.ts';

/** The suite's short form: one fixed seed for kinds that are quick, together all that need no long wait. */
const chosen: readonly { readonly seed: number; readonly engine: Engine; readonly kinds: readonly StrikeKind[] }[] = [
  { seed: 2, engine: 'postgres', kinds: ['kill-worker', 'lose-answers'] },
  { seed: 11, engine: 'redis', kinds: ['kill-worker', 'duplicate-jobs'] },
  { seed: 53, engine: 'redis', kinds: ['kill-finaliser'] },
  { seed: 32, engine: 'postgres', kinds: ['kill-planner'] },
  { seed: 45, engine: 'redis', kinds: ['restart-postgres'] },
  { seed: 64, engine: 'postgres', kinds: ['fill-disk'] },
  { seed: 9, engine: 'redis', kinds: ['cut-store', 'lose-answers'] },
];

/** Only where a redis-server is installed; the test run says so where it is not. */
const hasRedis = inject('redisUrl') !== null;

describe('harvests under faults', () => {
  let lane: SuiteLane | undefined;
  beforeAll(async () => {
    lane = await startSuiteLane(1, { redis: hasRedis });
  });
  afterAll(() => lane?.stop());

  it.each(chosen.filter(({ engine }) => hasRedis || engine === 'postgres'))(
    'are exact: seed $seed on $engine, $kinds',
    async ({ seed, engine, kinds }) => {
      if (lane === undefined) throw new Error('the lane did not start');
      const result = await runScenario(lane, createScenario(seed, { engine, kinds }));
      const replay = `npm run test:faults -- --seed ${seed} --engine ${engine} --faults ${kinds.join()}`;
      const told = [...result.problems, replay, ...result.timeline, result.dump ?? ''].join('\n');
      expect(result.problems, told).toEqual([]);
      expect(result.carriedOut.length, `nothing was struck: ${told}`).toBeGreaterThan(0);
    },
    120_000,
  );
});
