import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { launchRun } from '../../src/runtime/harvest.ts';
import { startWorker } from '../../src/runtime/worker.ts';
import { describeEngines } from '../support/engines.ts';
import type { Fleet } from '../support/fleet.ts';
import { startScheduled } from '../support/scheduled.ts';

const soon = { timeout: 15_000, interval: 50 };

describeEngines('a schedule', (redisUrl) => {
  it('fires each due time once, however many workers race for it', async () => {
    const bench = await startScheduled({ redisUrl });
    await bench.add({ overlap: 'allow' });
    const workers = [await bench.fleet.startWorker(), await bench.fleet.startWorker(), await bench.fleet.startWorker()];
    await bench.due();
    const { id } = await bench.find();
    // The queue's jobs, many times over, beside the duty of each worker.
    for (let round = 1; round <= 20; round++)
      await bench.fleet.context.queues.add('sheaf-schedules', [{ schedule: id, round }]);
    await expect.poll(bench.firings, soon).toEqual(['cron started complete']);
    for (const worker of workers) await worker.stop();
    const { rows } = await bench.fleet.context.database.pool.query('select count(*)::int as count from sheaf.runs');
    expect(rows).toEqual([{ count: 1 }]);
    expect((await bench.find()).nextAt?.getUTCMinutes()).toBe(30);
  });

  it('still fires at its next time, and at those after it, when the queue has lost everything', async () => {
    const bench = await startScheduled({ redisUrl });
    await bench.add({ cron: '*/2 * * * * *', overlap: 'skip' });
    await bench.fleet.startWorker();
    const scheduled = async () => (await bench.fleet.context.queues.counts('sheaf-schedules'))['delayed'];
    await expect.poll(scheduled, soon).toBe(1);
    await wipe(bench.fleet, redisUrl);
    expect(await scheduled()).toBe(0);
    const before = (await bench.firings()).length;
    await expect.poll(async () => (await bench.firings()).length, soon).toBeGreaterThan(before);
    await expect.poll(scheduled, soon).toBe(1); // and the queue has it again
    const fired = async () => (await bench.firings()).filter((firing) => firing === 'cron started complete').length;
    const after = await fired();
    await expect.poll(fired, soon).toBeGreaterThan(after);
  });
});

it('is left to workers that stay: a process that works a harvest of its own begins no other', async () => {
  const scheduled = await startScheduled();
  const { context, request, ended } = scheduled.fleet;
  await scheduled.add();
  await scheduled.due();
  const worker = await startWorker(context, 2, { isPassing: true });
  await ended(await launchRun(context, request('oda/Afstemning')));
  await worker.stop();
  expect(await scheduled.firings()).toEqual([]);
});

/** Loses all that the queue's store holds of this fleet. */
async function wipe({ context }: Fleet, redisUrl: string | undefined): Promise<void> {
  if (redisUrl === undefined) {
    const { rows } = await context.database.pool.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
       where schemaname = 'bullmq' and tablename not like '%migration%'`,
    );
    await context.database.pool.query(`truncate ${rows.map(({ name }) => name).join(', ')}`);
    return;
  }
  const { rows } = await context.database.pool.query<{ id: string }>('select id from sheaf.installation');
  const redis = new Redis(redisUrl);
  const keys = await redis.keys(`{sheaf-${rows[0]?.id}}:*`);
  expect(keys.length).toBeGreaterThan(0);
  await redis.del(...keys);
  redis.disconnect();
}
