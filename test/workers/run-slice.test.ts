import { expect, it } from 'vitest';
import { cancelRun } from '../../src/db/queries/runs.ts';
import { stagingTable } from '../../src/db/queries/staging.ts';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import type { StagedFacts } from '../../src/telemetry/events.ts';
import type { RequestFacts } from '../../src/twin/faults.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { runSlice, type SliceOptions } from '../../src/workers/run-slice.ts';
import { startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

/** A run of sixteen slices of five pages, which is less than a slice may have, and what works one of them by itself. */
async function setUp() {
  const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: votes(range(1, 8_000)) }) } });
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
  fleet.twin.clearRequests();
  const { database, telemetry } = fleet.context;
  const facts = { host: 'here', pid: process.pid, session: 'test', version: '0', concurrency: 4 };
  const work = { ...fleet.context, workerId: await registerWorker(database, facts) };
  const staged: StagedFacts[] = [];
  telemetry.on('pages.staged', (pages) => staged.push(pages));
  const alone = { beAlone: async () => undefined, idle: { count: () => 0, given: () => undefined } };
  const walk = async (slice: number, options: Partial<SliceOptions> = {}) =>
    runSlice(work, { run, slice, attempt: 0 }, { stop: new AbortController().signal, ...alone, ...options });
  const slices = async () => {
    const order = `select span->>'upto' as upto, cursor::text, pages, records, requests, retries, state
                   from sheaf.slices where run_id = $1 order by number`;
    return (await database.pool.query(order, [run])).rows;
  };
  return { fleet, run, walk, slices, staged, pool: database.pool };
}

const missing = { kind: 'status', status: 404 } as const;

it('shares the last slice with slots that stand idle, where the source is what takes the time', async () => {
  const { fleet, run, walk, slices, pool } = await setUp();
  fleet.twin.setBehaviour({ latencyMs: 300 });
  const idle = { count: () => 3, given: () => undefined };

  await walk(1, { idle });
  expect(await slices()).toHaveLength(16); // others wait, which the idle may take
  await pool.query(`update sheaf.slices set state = 'done' where run_id = $1 and number > 2`, [run]);
  await walk(2, { idle });
  const after = await slices();
  expect(after[1]).toMatchObject({ upto: '800', pages: 3 }); // it has kept the first part, and gone on with it
  expect(after.slice(16)).toMatchObject([{ upto: '1000', pages: 0 }]);
});

it('stages pages together that follow each other quickly', async () => {
  const { walk, slices, staged } = await setUp();
  expect(await walk(1)).toMatchObject({ outcome: { kind: 'staged' } });
  const sums = { cursor: '500', pages: 5, records: 500, requests: 5, retries: 0, state: 'done' };
  expect((await slices())[0]).toMatchObject(sums);
  expect(staged).toMatchObject([{ slice: 1, pages: 5, records: 500, rejects: 0, requests: 5 }]);
});

it('stages each page as soon as it is there where the source takes its time', async () => {
  const { fleet, walk, staged } = await setUp();
  fleet.twin.setBehaviour({ latencyMs: 600 });
  await walk(1);
  expect(staged.map(({ pages }) => pages)).toEqual([1, 1, 1, 1, 1]);
});

it('stages each page of a slice by itself once it has failed', async () => {
  const { run, walk, staged, pool } = await setUp();
  await pool.query('update sheaf.slices set failures = 1 where run_id = $1 and number = 1', [run]);
  expect(await walk(1)).toMatchObject({ claim: { failures: 1 }, outcome: { kind: 'staged' } });
  expect(staged.map(({ pages }) => pages)).toEqual([1, 1, 1, 1, 1]);
  expect(staged.map(({ records }) => records)).toEqual([100, 100, 100, 100, 100]);
  const { rows } = await pool.query(`select count(*)::int, count(distinct key)::int as keys from ${stagingTable(run)}`);
  expect(rows).toEqual([{ count: 500, keys: 500 }]); // none goes in with the next page again
});

it('stages each page of a slice by itself once a worker has died with it', async () => {
  const { run, walk, staged, pool } = await setUp();
  const { rows } = await pool.query('select id from sheaf.workers');
  await pool.query(`insert into sheaf.slice_deaths (run_id, slice_number, worker_id) values ($1, 1, $2)`, [
    run,
    rows[0].id,
  ]);
  expect(await walk(1)).toMatchObject({ claim: { deaths: 1 }, outcome: { kind: 'staged' } });
  expect(staged.map(({ pages }) => pages)).toEqual([1, 1, 1, 1, 1]);
});

it('keeps the pages that wait for one that cannot be had', async () => {
  const { fleet, walk, slices, staged } = await setUp();
  fleet.twin.setBehaviour({ faults: [{ fault: missing, where: { entity: 'Afstemning', key: 350 } }] });
  expect(await walk(1)).toMatchObject({ outcome: { kind: 'failed' } });
  expect((await slices())[0]).toMatchObject({ cursor: '300', pages: 3, records: 300, requests: 3 });
  expect(staged).toMatchObject([{ pages: 3 }]);
});

it('keeps the pages that wait when the slice is handed back', async () => {
  const { walk, slices, stop, asked } = await hanging();
  const walking = walk(1, { stop: stop.signal });
  await asked;
  stop.abort(new Error('the worker is stopping'));
  expect(await walking).toMatchObject({ outcome: { kind: 'handed-back' } });
  expect((await slices())[0]).toMatchObject({ cursor: '300', pages: 3, records: 300 });
});

it('drops the pages that wait when the run is cancelled meanwhile', async () => {
  const { fleet, run, walk, staged, stop, asked } = await hanging();
  const walking = walk(1, { stop: stop.signal });
  await asked;
  await cancelRun(fleet.context.database, run);
  stop.abort(new Error('the run no longer fetches'));
  expect(await walking).toMatchObject({ outcome: { kind: 'handed-back' } });
  expect(staged).toEqual([]);
});

it('has no page wait for long for one that does not come', async () => {
  const { walk, slices, staged, stop } = await hanging();
  const walking = walk(1, { stop: stop.signal });
  await expect.poll(async () => (await slices())[0]).toMatchObject({ cursor: '300', pages: 3, state: 'working' });
  stop.abort(new Error('the worker is stopping'));
  expect(await walking).toMatchObject({ outcome: { kind: 'handed-back' } });
  expect(staged).toMatchObject([{ pages: 3 }]);
});

it('ends when pages that waited for one that does not come are refused', async () => {
  const { fleet, run, walk, asked } = await hanging();
  const walking = walk(1);
  await asked;
  await cancelRun(fleet.context.database, run);
  expect(await walking).toMatchObject({ outcome: { kind: 'abandoned' } });
});

/** The slice's fourth page never comes. */
async function hanging() {
  const all = await setUp();
  const asked = Promise.withResolvers<void>();
  const matches = ({ path }: RequestFacts) => {
    const isFourth = path.includes('id gt 300 ');
    if (isFourth) asked.resolve();
    return isFourth;
  };
  all.fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'hang' }, where: { matches } }] });
  return { ...all, stop: new AbortController(), asked: asked.promise };
}
