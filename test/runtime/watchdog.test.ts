import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { QueueName } from '../../src/queues/queue-table.ts';
import { createIdleness, startWatchdog } from '../../src/runtime/watchdog.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type StoreKind, startStoreProxy } from '../faults/store-proxy.ts';
import { sheaf, start } from '../support/command.ts';
import { describeEngines } from '../support/engines.ts';
import { startFleet } from '../support/fleet.ts';

const rows = inlineData({ Afstemning: [{ id: 1, opdateringsdato: '2026-01-01T00:00:00' }] });

describe('a worker of a queue', () => {
  const idle = { running: 1, concurrency: 4, takenAt: 0 };
  /** Looks every five seconds, so many times. */
  const looks = (times: number, at: (look: number) => [typeof idle, number]) => {
    const judge = createIdleness(30_000);
    return Array.from({ length: times }, (_, look) => judge(...at(look), 5_000 * look));
  };

  it('is deaf when it took nothing while it had room and jobs waited; it is restarted for it, again and again', () => {
    const heard = looks(20, () => [idle, 1]);
    expect(heard.slice(0, 7).every((each) => each === 'well')).toBe(true);
    expect(heard.slice(7).every((each) => each !== 'well')).toBe(true);
    expect(heard.filter((each) => each === 'to be restarted')).toHaveLength(2);
  });

  it.each<[string, (look: number) => [typeof idle, number]]>([
    ['it took one of late', (look) => [{ ...idle, takenAt: look }, 1]],
    ['it has no room', () => [{ ...idle, running: 4 }, 1]],
    ['there is nothing to take', () => [idle, 0]],
    ['jobs have only just come', (look) => [idle, look === 19 ? 5 : 0]],
  ])('is not deaf when %s', (_when, at) => {
    expect(looks(20, at).every((each) => each === 'well')).toBe(true);
  });
});

describeEngines('the watchdog', (redisUrl) => {
  const setUp = async (patienceMs = 60_000) => {
    const { context } = await startFleet({ redisUrl, twin: { dataset: rows } });
    const told = { well: 0, deaf: [] as QueueName[], restarts: 0 };
    const takenAt = performance.now();
    const worker = {
      vitals: () => ({ running: 0, concurrency: 4, takenAt }),
      restart: () => {
        told.restarts += 1;
      },
      ready: async () => undefined,
      close: async () => undefined,
    };
    const start = () => {
      const watchdog = startWatchdog({
        queues: context.queues,
        workers: new Map([['sheaf-slices', worker]]),
        patienceMs,
        deafMs: 1_500,
        onWell: async () => {
          told.well += 1;
        },
        onDeaf: (queue) => told.deaf.push(queue),
        onError: () => undefined,
      });
      onTestFinished(() => watchdog.stop());
      return watchdog;
    };
    const addJob = () => context.queues.add('sheaf-slices', [{ run: 'x', slice: 1, attempt: 0, round: 0 }]);
    return { told, start, addJob };
  };

  it('starts a deaf worker anew, does not call it well, and gives the process up when that does not help', async () => {
    const { told, start, addJob } = await setUp(4_000);
    await addJob();
    const watchdog = start();
    const beating = setInterval(watchdog.beaten, 200);
    onTestFinished(() => clearInterval(beating));
    expect(await watchdog.lost).toMatchObject({ code: 'store-lost', facts: { store: 'queue' } });
    expect(told.deaf[0]).toBe('sheaf-slices');
    expect(told.restarts).toBe(told.deaf.length);
    expect(told.well).toBeLessThanOrEqual(3); // before it counted as deaf
  });

  it('calls a worker well that has nothing to take', async () => {
    const { told, start } = await setUp();
    start().beaten();
    await expect.poll(() => told.well).toBe(1);
    expect(told.restarts).toBe(0);
  });

  it('gives the process up when its heartbeat does not reach the database', async () => {
    const { start } = await setUp(500);
    const watchdog = start();
    expect(await watchdog.lost).toMatchObject({ code: 'store-lost', facts: { store: 'database' } });
  });
});

describeEngines('a worker process', (redisUrl) => {
  const setUp = async () => {
    const { context, twin } = await startFleet({ redisUrl, twin: { dataset: rows } });
    const kinds: StoreKind[] = redisUrl === undefined ? ['postgres'] : ['postgres', 'redis'];
    const urls = { postgres: context.database.url, redis: redisUrl ?? '' };
    const proxies = await Promise.all(kinds.map((kind) => startStoreProxy({ kind, url: urls[kind] })));
    for (const proxy of proxies) onTestFinished(() => proxy.stop());
    const environment = {
      DATABASE_URL: proxies[0]?.url ?? '',
      REDIS_URL: proxies[1]?.url ?? '',
      SHEAF_ODA_URL: twin.url,
      SHEAF_STORE_TIMEOUT_MS: '4000',
    };
    const worker = start(['worker'], environment);
    await worker.says(/asks for 8 pages/);
    return { context, proxies, environment, worker };
  };

  it('that a store stays away from ends with exit code 1 and says why, for its supervisor', async () => {
    const { proxies, worker } = await setUp();
    const last = proxies.at(-1);
    last?.cut(60_000);
    const { code, stderr } = await worker.finished;
    expect(code).toBe(1);
    const store = redisUrl === undefined ? 'reached the database' : 'had work from the queue';
    expect(stderr).toMatch(new RegExp(`sheaf: This worker has not ${store} for \\d+ seconds and gives up`));
  }, 60_000);

  it.runIf(redisUrl === undefined)(
    'whose store is stuck ends, too: nothing has to be refused for that',
    async () => {
      const { proxies, worker } = await setUp();
      proxies[0]?.freeze(60_000);
      const { code, stderr } = await worker.finished;
      expect(code).toBe(1);
      expect(stderr).toMatch(/gives up/);
    },
    60_000,
  );

  it.runIf(redisUrl === undefined)(
    'that was stopped for a while goes on, too: its stores were not away',
    async () => {
      const { worker } = await setUp();
      worker.process.kill('SIGSTOP');
      await sleep(6_000);
      worker.process.kill('SIGCONT');
      await sleep(3_000);
      expect(worker.process.exitCode).toBeNull();
      worker.process.kill('SIGTERM');
      expect((await worker.finished).code).toBe(0);
    },
    60_000,
  );

  it('goes on by itself when its stores are back soon, and --check tells that it is well', async () => {
    const { context, proxies, environment, worker } = await setUp();
    for (const proxy of proxies) proxy.cut(1_500);
    await context.database.pool.query('update sheaf.workers set well_at = null');
    const direct = { ...environment, DATABASE_URL: context.database.url };
    await expect
      .poll(async () => (await sheaf(['worker', '--check'], direct)).code, { timeout: 20_000, interval: 500 })
      .toBe(0);
    worker.process.kill('SIGTERM');
    expect((await worker.finished).code).toBe(0);
    const gone = await sheaf(['worker', '--check'], direct);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toBe(
      `sheaf: No worker on ${hostname()} has shown within a minute that it is alive and takes work.\n`,
    );
  }, 60_000);
});
