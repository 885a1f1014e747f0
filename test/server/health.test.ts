import { expect, it, onTestFinished } from 'vitest';
import { startWorkerServer } from '../../src/runtime/serve.ts';
import { startStoreProxy } from '../faults/store-proxy.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { scrape, sumOf } from './scrape.ts';
import { startServedFleet } from './setup.ts';

it('is ready when its stores answer', async () => {
  const { url } = await startServedFleet();
  const answer = await fetch(`${url}/readyz`);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ status: 'ready', problems: [] });
});

it('is not ready while migrations are missing, and says which', async () => {
  const { url, context } = await startServedFleet();
  await context.database.pool.query(
    'delete from sheaf.migrations where created_at = (select max(created_at) from sheaf.migrations)',
  );
  const answer = await fetch(`${url}/readyz`);
  expect(answer.status).toBe(503);
  const { problems } = (await answer.json()) as { problems: { part: string; problem: string }[] };
  expect(problems).toEqual([{ part: 'migrations', problem: expect.stringContaining('sheaf db migrate') }]);
});

it('answers within a bound while the database hangs, counts on, and is ready again after it', async () => {
  const proxy = await startStoreProxy({ kind: 'postgres', url: await freshDatabaseUrl() });
  onTestFinished(() => proxy.stop());
  const fleet = await startServedFleet({ environment: { DATABASE_URL: proxy.url } });
  await fleet.harvest('oda/Afstemning');
  proxy.freeze(4_000);
  const startedAt = performance.now();
  const [ready, samples] = await Promise.all([fetch(`${fleet.url}/readyz`), scrape(fleet.url)]);
  expect(performance.now() - startedAt).toBeLessThan(3_500);
  expect(ready.status).toBe(503);
  const { problems } = (await ready.json()) as { problems: { part: string }[] };
  expect(problems.map(({ part }) => part)).toEqual(['database', 'migrations', 'queue']);
  expect(sumOf(samples, 'sheaf_store_up', { store: 'database' })).toBe(0);
  expect(sumOf(samples, 'sheaf_store_up', { store: 'queue' })).toBe(0);
  expect(sumOf(samples, 'sheaf_records_total')).toBe(250);
  expect(samples.filter(({ name }) => /^sheaf_(runs|workers|queue)/.test(name))).toEqual([]);
  await expect.poll(async () => (await fetch(`${fleet.url}/readyz`)).status, { timeout: 10_000 }).toBe(200);
});

it('gives a worker a server of its own, which has health and metrics and nothing else', async () => {
  const fleet = await startServedFleet();
  const worker = await fleet.startWorker();
  let isWell = false;
  const judged = { ...worker, isWell: () => isWell && worker.isWell() };
  const server = await startWorkerServer(fleet.context, { host: '127.0.0.1', port: 0 }, judged);
  onTestFinished(() => server.stop());
  const ready = await fetch(`${server.url}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ problems: [{ part: 'worker' }] });
  isWell = true;
  await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: 10_000 }).toBe(200);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  const samples = await scrape(server.url);
  expect(sumOf(samples, 'sheaf_store_up', { store: 'database' })).toBe(1);
  expect(samples.filter(({ name }) => name === 'sheaf_workers')).toEqual([]);
  expect((await fetch(`${server.url}/`)).status).toBe(404);
  expect((await fetch(`${server.url}/api/runs`)).status).toBe(404);
});
