import { expect, it } from 'vitest';
import { addSamples, readSamples } from '../../src/db/queries/run-samples.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

const twin = { dataset: inlineData({ Afstemning: votes(range(1, 1_000)) }) };

it('writes down every page that a run has taken, and how long its requests took', async () => {
  const fleet = await startFleet({ twin });
  const { run, pages, records } = await fleet.harvest('oda/Afstemning');
  const points = await readSamples(fleet.context.database, run, 60);
  expect(points.reduce((sum, point) => sum + point.pages, 0)).toBe(pages);
  expect(points.reduce((sum, point) => sum + point.records, 0)).toBe(records);
  const [point] = points;
  expect(point?.fetchMaxMs).toBeGreaterThan(0);
  expect(point?.fetchMs).toBeGreaterThanOrEqual(point?.fetchMaxMs ?? 0);
});

it('adds what several workers tell to the same bucket, and widens buckets as a run goes on', async () => {
  const { context, request } = await startFleet({ twin });
  const { database } = context;
  const run = await launchRun(context, request('oda/Afstemning'));
  const ages = ['0', '5 hours', '30 days'];
  const sample = {
    agoMs: 0,
    pages: 1,
    records: 100,
    rejects: 0,
    requests: 2,
    retries: 1,
    fetchMs: 10.4,
    fetchMaxMs: 10.4,
    stageMs: 2,
  };
  const widths: unknown[] = [];
  for (const age of ages) {
    await database.pool.query(`delete from sheaf.run_samples`);
    await database.pool.query('update sheaf.runs set created_at = now() - $2::interval where id = $1', [run, age]);
    await Promise.all([1, 2, 3].map(() => addSamples(database, [{ ...sample, run }])));
    const { rows } = await database.pool.query(
      'select max(seconds) as seconds, sum(pages)::int as pages, sum(retries)::int as retries from sheaf.run_samples',
    );
    widths.push(rows[0]);
  }
  expect(widths).toEqual([2, 300, 3_600].map((seconds) => ({ seconds, pages: 3, retries: 3 })));
});

it('puts what was done some time ago where it belongs', async () => {
  const { context, request } = await startFleet({ twin });
  const { database } = context;
  const run = await launchRun(context, request('oda/Afstemning'));
  const sample = {
    run,
    pages: 1,
    records: 10,
    rejects: 0,
    requests: 1,
    retries: 0,
    fetchMs: 1,
    fetchMaxMs: 1,
    stageMs: 1,
  };
  const moments = [0, 250, 500, 2_000, 2_250, 4_000].map((agoMs) => ({ ...sample, agoMs }));
  await addSamples(database, moments);
  const points = await readSamples(database, run, 60);
  expect(points.length).toBeGreaterThanOrEqual(3);
  expect(points.reduce((sum, point) => sum + point.pages, 0)).toBe(6);
});

it('gives a long run back in as many points as were asked for', async () => {
  const { context, request } = await startFleet({ twin });
  const { database } = context;
  const run = await launchRun(context, request('oda/Afstemning'));
  await database.pool.query(
    `insert into sheaf.run_samples (run_id, at, seconds, pages, records)
     select $1, date_trunc('hour', now()) + n * interval '2 seconds', 2, 1, 100 from generate_series(1, 1000) n`,
    [run],
  );
  const points = await readSamples(database, run, 100);
  expect(points.length).toBeGreaterThan(80);
  expect(points.length).toBeLessThanOrEqual(102);
  expect(points.reduce((sum, point) => sum + point.records, 0)).toBe(100_000);
});
