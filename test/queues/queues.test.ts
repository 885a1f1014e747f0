import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject, it, onTestFinished } from 'vitest';
import type { Payload } from '../../src/queues/queue-table.ts';
import { openQueues, type Queues } from '../../src/queues/queues.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { describeEngines } from '../support/engines.ts';

type SliceJob = Payload<'sheaf-slices'>;
const job = (slice: number, changes: Partial<SliceJob> = {}): SliceJob => ({
  run: 'r1',
  slice,
  attempt: 0,
  round: 0,
  ...changes,
});

describeEngines('the queues', (redisUrl) => {
  const open = async (installation = Math.random().toString(36).slice(2)): Promise<Queues> => {
    const queues = openQueues({
      databaseUrl: await freshDatabaseUrl(),
      redisUrl,
      installation,
      onError: () => undefined,
    });
    onTestFinished(() => queues.close());
    return queues;
  };
  /** Works jobs until `count` have been taken. */
  const take = async (queues: Queues, count: number): Promise<SliceJob[]> => {
    const taken: SliceJob[] = [];
    const done = Promise.withResolvers<void>();
    const worker = queues.work(
      'sheaf-slices',
      async (payload) => {
        taken.push(payload);
        if (taken.length === count) done.resolve();
        return 'done';
      },
      { concurrency: 4 },
    );
    await done.promise;
    await sleep(100); // one too many would come now
    await worker.close();
    return taken;
  };

  it('carry each job to one worker, once', async () => {
    const queues = await open();
    const jobs = Array.from({ length: 1_234 }, (_unused, slice) => job(slice));
    await queues.add('sheaf-slices', jobs);
    const taken = await take(queues, jobs.length);
    expect(taken.toSorted((a, b) => a.slice - b.slice)).toEqual(jobs);
  });

  it('hold a job once however often it is added', async () => {
    const queues = await open();
    await queues.add('sheaf-slices', [job(1), job(2)]);
    await queues.add('sheaf-slices', [job(2), job(1), job(3)]);
    expect(await take(queues, 3)).toHaveLength(3);
  });

  it('take a job again after one of the same slice has ended, when a repair adds it', async () => {
    const queues = await open();
    await queues.add('sheaf-slices', [job(1)]);
    await take(queues, 1);
    await queues.add('sheaf-slices', [job(1, { round: 1_763_700_000_000 })]);
    expect(await take(queues, 1)).toEqual([job(1, { round: 1_763_700_000_000 })]);
  });

  it('keep a delayed job back until its time', async () => {
    const queues = await open();
    const addedAt = performance.now();
    await queues.add('sheaf-slices', [job(1)], { delayMs: 600 });
    await take(queues, 1);
    expect(performance.now() - addedAt).toBeGreaterThanOrEqual(590);
  });

  it('count jobs by state, so that a lost one can be noticed', async () => {
    const queues = await open();
    await queues.add('sheaf-slices', [job(1), job(2)]);
    await queues.add('sheaf-slices', [job(3)], { delayMs: 60_000 });
    expect(await queues.counts('sheaf-slices')).toMatchObject({ waiting: 2, delayed: 1, active: 0 });
  });

  it('refuse a job that is not what the queue table says, when it is taken', async () => {
    const queues = await open();
    await queues.add('sheaf-slices', [{ ...job(1), slice: 'seven' } as unknown as SliceJob]);
    let isTaken = false;
    const worker = queues.work(
      'sheaf-slices',
      async () => {
        isTaken = true;
        return 'done';
      },
      { concurrency: 1 },
    );
    await expect.poll(async () => (await queues.counts('sheaf-slices'))['failed']).toBe(1);
    await worker.close();
    expect(isTaken).toBe(false);
  });

  it('let a worker finish what it has begun when it is closed', async () => {
    const queues = await open();
    await queues.add('sheaf-slices', [job(1)]);
    const begun = Promise.withResolvers<void>();
    let isFinished = false;
    const worker = queues.work(
      'sheaf-slices',
      async () => {
        begun.resolve();
        await sleep(300);
        isFinished = true;
        return 'done';
      },
      { concurrency: 1 },
    );
    await begun.promise;
    await worker.close();
    expect(isFinished).toBe(true);
  });

  it.runIf(redisUrl !== undefined)('keep installations that share a Redis apart', async () => {
    const [one, other] = [await open('one'), await open('other')];
    await one.add('sheaf-slices', [job(1)]);
    expect(await other.counts('sheaf-slices')).toMatchObject({ waiting: 0 });
    expect(await take(one, 1)).toEqual([job(1)]);
  });

  it.runIf(redisUrl !== undefined)('say what to do when the store is not there', async () => {
    const queues = openQueues({
      databaseUrl: inject('postgresUrl'),
      redisUrl: 'redis://user:secret@127.0.0.1:1/0',
      installation: 'x',
      onError: () => undefined,
    });
    const refused = await queues.check().catch((error: Error) => error.message);
    expect(refused).toMatch(/^Cannot use Redis at 127\.0\.0\.1:1: .*ECONNREFUSED.*REDIS_URL/);
    expect(refused).not.toContain('secret');
  });
});
