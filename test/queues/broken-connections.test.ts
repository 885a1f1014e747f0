import pg from 'pg';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import { openQueues } from '../../src/queues/queues.ts';
import { freshDatabaseUrl } from '../support/database.ts';

it('connections that break while a queue is opened end that attempt, and not the process', async () => {
  const databaseUrl = await freshDatabaseUrl();
  const breaker = new pg.Client({ connectionString: inject('postgresUrl') });
  await breaker.connect();
  onTestFinished(() => breaker.end());
  const database = new URL(databaseUrl).pathname.slice(1);
  const breakAll = () =>
    breaker.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [database]);
  const open = () => openQueues({ databaseUrl, redisUrl: undefined, installation: 'x', onError: () => undefined });
  let broken = 0;
  for (let attempt = 0; attempt < 30; attempt++) {
    const queues = open();
    let isOver = false;
    const counting = queues.counts('sheaf-slices').catch(() => void broken++);
    void counting.finally(() => {
      isOver = true;
    });
    while (!isOver) await breakAll();
    await queues.close();
  }
  expect(broken).toBeGreaterThan(0);
  const queues = open();
  expect(await queues.counts('sheaf-slices')).toBeTypeOf('object');
  await queues.close();
});

it('a pool that all queues share is listened to once', async () => {
  const pools = new Set<pg.Pool>();
  const emit = pg.Pool.prototype.emit;
  const spy = vi.spyOn(pg.Pool.prototype, 'emit').mockImplementation(function (
    this: pg.Pool,
    name,
    ...rest: unknown[]
  ) {
    pools.add(this);
    return emit.call(this, name, ...rest);
  });
  onTestFinished(() => spy.mockRestore());
  const databaseUrl = await freshDatabaseUrl();
  const queues = openQueues({ databaseUrl, redisUrl: undefined, installation: 'x', onError: () => undefined });
  await queues.depths();
  expect([...pools].map((pool) => pool.listenerCount('error'))).toEqual([1]);
  await queues.close();
});
