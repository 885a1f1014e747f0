import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { openQueues } from '../../src/queues/queues.ts';
import { startStoreProxy } from '../faults/store-proxy.ts';
import { freshDatabaseUrl } from '../support/database.ts';

it('asks a PostgreSQL that resets its connections a few times a second for jobs, not thousands of times', async () => {
  let refused = 0;
  const onEvent = (what: string) => {
    if (what === 'refused a connection') refused += 1;
  };
  const proxy = await startStoreProxy({ kind: 'postgres', url: await freshDatabaseUrl(), onEvent });
  onTestFinished(() => proxy.stop());
  const url = { databaseUrl: proxy.url, redisUrl: undefined };
  const queues = openQueues({ ...url, installation: 'test', onError: () => undefined });
  onTestFinished(() => queues.close());
  const jobs = Array.from({ length: 40 }, (_unused, slice) => ({ run: 'a', slice, attempt: 0, round: 0 }));
  await queues.add('sheaf-slices', jobs);
  const done = new Set<number>();
  const process = async ({ slice }: { slice: number }) => {
    await sleep(100);
    done.add(slice);
    return 'done';
  };
  const worker = queues.work('sheaf-slices', process, { concurrency: 4 });
  onTestFinished(() => worker.close());
  await expect.poll(() => done.size, { timeout: 10_000 }).toBeGreaterThan(4);
  proxy.cut(2_000);
  await sleep(2_000);
  expect(refused).toBeLessThan(300);
  await expect.poll(() => done.size, { timeout: 25_000 }).toBe(40);
}, 60_000);
