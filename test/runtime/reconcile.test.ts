import { expect, it } from 'vitest';
import { closeGate } from '../../src/db/queries/gates.ts';
import { beginFinalising, getRun } from '../../src/db/queries/runs.ts';
import { claimSlice, releaseSlice } from '../../src/db/queries/slices.ts';
import { createStaging } from '../../src/db/queries/staging.ts';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { reconcile } from '../../src/workers/reconcile.ts';
import { describeEngines } from '../support/engines.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { contentOf, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const rows = votes(range(1, 600));

describeEngines('the reconciler', (redisUrl) => {
  const setUp = async (): Promise<{ fleet: Fleet; run: string }> => {
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }) } });
    return { fleet, run: await launchRun(fleet.context, fleet.request('oda/Afstemning')) };
  };
  const query = (fleet: Fleet, statement: string, values: unknown[]) =>
    fleet.context.database.pool.query(statement, values);

  const ends = async (fleet: Fleet, run: string): Promise<void> => {
    await reconcile(fleet.context, { stallMinutes: 5 });
    const worker = await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 600, inserted: 600 });
    await worker.stop();
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
  };

  it('enqueues again what the queue has lost', async () => {
    const { fleet, run } = await setUp();
    const thrownAway = fleet.context.queues.work('sheaf-slices', async () => 'lost', { concurrency: 8 });
    await expect.poll(async () => (await fleet.context.queues.counts('sheaf-slices'))['waiting']).toBe(0);
    await thrownAway.close();
    await query(
      fleet,
      `update sheaf.slices set updated_at = now() - interval '1 minute', due_at = updated_at - interval '1 minute' where run_id = $1`,
      [run],
    );
    await ends(fleet, run);
  });

  it('releases the slices of a worker that died', async () => {
    const { fleet, run } = await setUp();
    const dead = await registerWorker(fleet.context.database, {
      host: 'gone',
      pid: 1,
      session: 'test',
      version: '0',
      concurrency: 1,
    });
    for (const slice of [1, 2, 3]) await claimSlice(fleet.context.database, { run, slice, attempt: 0 }, dead);
    await ends(fleet, run);
  });

  it('finishes a run whose finaliser died', async () => {
    const { fleet, run } = await setUp();
    const dead = await registerWorker(fleet.context.database, {
      host: 'gone',
      pid: 1,
      session: 'test',
      version: '0',
      concurrency: 1,
    });
    const lost = fleet.context.queues.work('sheaf-finalise', async () => 'lost', { concurrency: 1 });
    const slices = await fleet.startWorker();
    await expect
      .poll(async () => (await query(fleet, 'select state from sheaf.runs where id = $1', [run])).rows[0].state)
      .toMatch(/finalising|complete/);
    await slices.stop();
    await lost.close();
    // Whoever took the job: as if it had claimed the run and died before it did anything.
    await query(
      fleet,
      `update sheaf.runs set state = 'finalising', finaliser = $2, finished_at = null, merged_generation = 0 where id = $1`,
      [run, dead],
    );
    await query(fleet, 'delete from sheaf.records', []);
    await ends(fleet, run);
  });

  it('ends a plan whose planner died, and no other', async () => {
    const { fleet, run } = await setUp();
    const plan = (id: string, age: string) =>
      query(
        fleet,
        `insert into sheaf.runs (id, dataset, request, entity, source_url, strategy, span, page_size, created_at)
         select $2, dataset, request, entity, source_url, strategy, span, page_size, now() - $3::interval from sheaf.runs where id = $1`,
        [run, id, age],
      );
    await plan('20200101-000000-aaaa', '11 minutes');
    await plan('20200101-000000-bbbb', '9 minutes');
    await reconcile(fleet.context, { stallMinutes: 5 });
    const { rows: planned } = await query(
      fleet,
      `select id, state from sheaf.runs where id like '2020%' order by id`,
      [],
    );
    expect(planned).toEqual([
      { id: '20200101-000000-aaaa', state: 'failed' },
      { id: '20200101-000000-bbbb', state: 'planning' },
    ]);
  });

  it('reports a run without progress once in a while, and not while its source is left alone', async () => {
    const { fleet, run } = await setUp();
    const stalled: { run: string; waiting: number; forMs: number }[] = [];
    fleet.context.telemetry.on('run.stalled', (event) => stalled.push(event));
    const look = () => reconcile(fleet.context, { stallMinutes: 5 });
    await look();
    expect(stalled).toEqual([]);
    await query(fleet, `update sheaf.runs set sealed_at = now() - interval '6 minutes' where id = $1`, [run]);
    await closeGate(fleet.context.database, 'oda', 60_000);
    await look();
    expect(stalled).toEqual([]);
    await query(fleet, 'delete from sheaf.gates', []);
    await look();
    await look();
    expect(stalled).toMatchObject([{ run, held: 0, forMs: expect.closeTo(360_000, -5) }]);
    expect(stalled[0]?.waiting).toBeGreaterThan(0);
    await query(fleet, 'update sheaf.slices set staged_at = now() where run_id = $1', [run]);
    await query(fleet, 'update sheaf.runs set stalled_at = null where id = $1', [run]);
    await look();
    expect(stalled).toHaveLength(1);
  });

  it('enqueues a slice again that a job delays by a clock that jumped', async () => {
    const { fleet, run } = await setUp();
    const { database, queues } = fleet.context;
    const worker = await registerWorker(database, { host: 'here', pid: 1, session: 'x', version: '0', concurrency: 1 });
    const claim = await claimSlice(database, { run, slice: 1, attempt: 0 }, worker);
    if (claim === undefined) throw new Error('not claimed');
    await releaseSlice(database, claim, 1_000);
    await queues.add('sheaf-slices', [{ run, slice: 1, attempt: 1, round: 0 }], { delayMs: 7_200_000 });
    await query(
      fleet,
      `update sheaf.slices set updated_at = now() - interval '1 minute', due_at = now() - interval '1 minute'`,
      [],
    );
    await ends(fleet, run);
  });

  it('is not deceived by jobs that a dead worker seems to be at', async () => {
    const { fleet, run } = await setUp();
    const { queues } = fleet.context;
    let release: () => void = () => undefined;
    const held = new Promise<string>((resolve) => {
      release = () => resolve('a ghost has gone');
    });
    const ghost = queues.work('sheaf-slices', () => held, { concurrency: 100 });
    await expect.poll(async () => (await queues.counts('sheaf-slices'))['waiting']).toBe(0);
    await query(
      fleet,
      `update sheaf.slices set updated_at = now() - interval '1 minute', due_at = now() - interval '1 minute'`,
      [],
    );
    await reconcile(fleet.context, { stallMinutes: 5 });
    const slices = (await query(fleet, 'select count(*)::int as count from sheaf.slices where run_id = $1', [run]))
      .rows;
    await expect.poll(async () => (await queues.counts('sheaf-slices'))['active']).toBe(2 * slices[0].count);
    release();
    await ghost.close();
  });

  it('ends a run that is to stop at its first failed slice, though the slice failed while the run was paused', async () => {
    const { fleet, run } = await setUp();
    const { database } = fleet.context;
    const error = JSON.stringify({ code: 'http-404', message: 'answered 404', facts: {} });
    await query(fleet, `update sheaf.slices set state = 'done' where run_id = $1`, [run]);
    await query(fleet, `update sheaf.slices set state = 'failed', error = $2 where run_id = $1 and number = 2`, [
      run,
      error,
    ]);
    expect(await beginFinalising(database, run)).toBeUndefined();
    await reconcile(fleet.context, { stallMinutes: 5 });
    expect(await getRun(database, run)).toMatchObject({ state: 'failed', reason: 'slice 2 failed: answered 404' });
  });

  it('drops staging tables that nobody will need, and keeps those that a resume would', async () => {
    const { fleet, run } = await setUp();
    await createStaging(fleet.context.database, '20200101-000000-gone');
    await reconcile(fleet.context, { stallMinutes: 5 });
    const { rows: tables } = await query(
      fleet,
      `select relname from pg_class where relname like 'staging\\_%' and relnamespace = 'sheaf'::regnamespace`,
      [],
    );
    expect(tables).toEqual([{ relname: `staging_${run.replaceAll('-', '_')}` }]);
  });

  it('has slices fetched again whose staged rows PostgreSQL lost in a crash', async () => {
    const { fleet, run } = await setUp();
    const staging = `sheaf.staging_${run.replaceAll('-', '_')}`;
    const worker = await fleet.startWorker(1);
    await expect
      .poll(async () => (await query(fleet, `select count(*)::int as count from ${staging}`, [])).rows[0].count, {
        interval: 5,
      })
      .toBeGreaterThan(100);
    await query(fleet, `truncate ${staging}`, []); // what a crash does to an unlogged table
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 600, inserted: 600 });
    await worker.stop();
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
  });
});
