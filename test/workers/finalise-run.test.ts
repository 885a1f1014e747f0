import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { cancel, launchRun, resumeRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { contentOf, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const rows = votes(range(1, 250));
const setUp = () => startFleet({ twin: { dataset: inlineData({ Afstemning: rows }) } });

const PUBLISHED = ['manifest.json', 'oda-Afstemning.csv', 'oda-Afstemning.ndjson'];

const filesBelow = async (directory: string): Promise<string[]> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
};

it('a merge that fails publishes no file and leaves the table as it was; the run is resumed', async () => {
  const fleet = await setUp();
  const { pool } = fleet.context.database;
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  await pool.query(`alter table sheaf.records add constraint nothing_here check (key <> '77')`);
  await fleet.startWorker();
  const failed = await fleet.ended(run);
  expect(failed).toMatchObject({ state: 'failed', inserted: 0, exports: [] });
  expect(failed.reason).toMatch(/nothing_here/);
  expect((await tableContent(fleet.context.database.url, 'oda/Afstemning')).size).toBe(0);
  expect(await filesBelow(fleet.out)).toEqual([]);

  await pool.query('alter table sheaf.records drop constraint nothing_here');
  await resumeRun(fleet.context, await findRun(fleet.context, run));
  const resumed = await fleet.ended(run);
  expect(resumed).toMatchObject({ state: 'complete', inserted: 250 });
  expect((await filesBelow(join(fleet.out, 'oda-Afstemning', run))).toSorted()).toEqual(PUBLISHED);
});

/** Keeps everybody from the records until it is told not to, as a long look for what is missing would. */
async function holdUpJudging({ context }: Fleet) {
  const client = await context.database.pool.connect();
  onTestFinished(() => client.release(true));
  await client.query('begin; lock table sheaf.records in access exclusive mode');
  return client;
}

/** The temporary files of a run that the disk has whole. */
async function temporaries(fleet: Fleet, run: string): Promise<string[]> {
  const directory = join(fleet.out, 'oda-Afstemning', run);
  const names = await readdir(directory).catch(() => []);
  const sizes = await Promise.all(names.map((name) => stat(join(directory, name)).then(({ size }) => size)));
  return names.filter((_name, index) => sizes[index] !== 0).map((name) => name.replace(/[0-9a-f]{12}/, '*'));
}

const WRITTEN = ['.oda-Afstemning.csv.*.sheaf-tmp', '.oda-Afstemning.ndjson.*.sheaf-tmp'];

it('files are written while what the source no longer has is looked for; the merge and the manifest wait for that', async () => {
  const fleet = await setUp();
  const before = await fleet.harvest('oda/Afstemning', { formats: [] });
  expect(before.state).toBe('complete');
  fleet.twin.remove('Afstemning', 77);
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  const holder = await holdUpJudging(fleet);
  await fleet.startWorker();
  await expect.poll(async () => (await temporaries(fleet, run)).toSorted(), { timeout: 10_000 }).toEqual(WRITTEN);
  expect(await findRun(fleet.context, run)).toMatchObject({ state: 'finalising', proof: null });
  await holder.query('commit');
  expect(await fleet.ended(run)).toMatchObject({ state: 'complete', deleted: 1, records: 249 });
  const manifest = await readFile(join(fleet.out, 'oda-Afstemning', run, 'manifest.json'), 'utf8');
  expect(JSON.parse(manifest)).toMatchObject({ state: 'complete', proof: { holds: true, missing: 1 } });
});

it('files are written while the source is asked whether they are whole, and go when it does not say', async () => {
  const fleet = await setUp();
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  const fault = { kind: 'status', status: 429, retryAfter: { inSeconds: 90 } } as const;
  fleet.twin.setBehaviour({ latencyMs: 1_500, faults: [{ fault, where: { pathIncludes: 'inlinecount' } }] });
  await fleet.startWorker();
  await expect.poll(async () => (await temporaries(fleet, run)).toSorted(), { timeout: 10_000 }).toEqual(WRITTEN);
  expect(await findRun(fleet.context, run)).toMatchObject({ unansweredSince: null, proof: null });
  await expect
    .poll(async () => (await findRun(fleet.context, run)).unansweredSince, { timeout: 20_000 })
    .not.toBeNull();
  await expect.poll(() => filesBelow(fleet.out)).toEqual([]);
  await cancel(fleet.context, await findRun(fleet.context, run));
});

it('what the source no longer has cannot be looked for: no file is left, and nothing merged', async () => {
  const fleet = await setUp();
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  const holder = await holdUpJudging(fleet);
  await fleet.startWorker();
  await expect.poll(async () => (await temporaries(fleet, run)).length, { timeout: 10_000 }).toBe(2);
  await holder.query('alter table sheaf.records rename column changed_at to lost; commit');
  const failed = await fleet.ended(run);
  expect(failed).toMatchObject({ state: 'failed', inserted: 0, exports: [] });
  expect(failed.reason).toMatch(/changed_at does not exist/);
  expect(await findRun(fleet.context, run)).toMatchObject({ proof: null, mergedGeneration: 0 });
  expect(await filesBelow(fleet.out)).toEqual([]);
});

it('a key that two slices have staged is found, and the run is partial', async () => {
  const fleet = await setUp();
  const { pool } = fleet.context.database;
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  const staging = `sheaf.staging_${run.replaceAll('-', '_')}`;
  // What a page applied twice would look like, were it not for the fence.
  await pool.query(`create function public.twice() returns trigger language plpgsql as $$
    begin
      if new.key = '77' and pg_trigger_depth() = 1 then
        insert into ${staging} select new.*;
        update sheaf.slices set records = records + 1 where run_id = '${run}' and number = new.slice_number;
      end if;
      return new;
    end $$`);
  await pool.query(`create trigger twice before insert on ${staging} for each row execute function public.twice()`);
  await fleet.startWorker();
  const report = await fleet.ended(run);
  expect(report.state).toBe('partial');
  expect(report.reason).toMatch(/1 rows are staged under a key that is staged already/);
  expect((await filesBelow(fleet.out)).toSorted()).toEqual(PUBLISHED);
  const lines = await readFile(join(fleet.out, 'oda-Afstemning', run, 'oda-Afstemning.ndjson'), 'utf8');
  expect(lines.trimEnd().split('\n')).toHaveLength(250);
  expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
});

it('a source that is away when the run is verified is waited for', async () => {
  const fleet = await setUp();
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
  const where = { entity: 'Afstemning', pathIncludes: 'inlinecount' };
  fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'status', status: 503 }, where, count: 4 }] });
  await fleet.startWorker();
  const { pool } = fleet.context.database;
  const waitsFor = async () => (await pool.query('select unanswered_since as since, state from sheaf.runs')).rows[0];
  await expect.poll(waitsFor, { timeout: 20_000 }).toMatchObject({ since: expect.any(Date), state: 'finalising' });
  expect(await fleet.ended(run)).toMatchObject({ state: 'complete', inserted: 250 });
}, 60_000);

it('a source that asks to be left alone is left alone, and the run waits', async () => {
  const fleet = await setUp();
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
  const fault = { kind: 'status', status: 429, retryAfter: { inSeconds: 90 } } as const;
  const where = { entity: 'Afstemning', pathIncludes: 'inlinecount' };
  fleet.twin.setBehaviour({ faults: [{ fault, where }] });
  fleet.twin.clearRequests();
  await fleet.startWorker();
  await expect
    .poll(async () => (await findRun(fleet.context, run)).unansweredSince, { timeout: 20_000 })
    .not.toBeNull();
  await sleep(1_500);
  expect(await findRun(fleet.context, run)).toMatchObject({ state: 'finalising', finaliser: null, proof: null });
  expect(fleet.twin.requests.filter(({ path }) => path.includes('inlinecount'))).toHaveLength(1);
  await cancel(fleet.context, await findRun(fleet.context, run));
});

it('a source that stays away leaves the run partial, not failed', async () => {
  const fleet = await setUp();
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
  const where = { entity: 'Afstemning', pathIncludes: 'inlinecount' };
  fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'status', status: 503 }, where }] });
  const { pool } = fleet.context.database;
  await pool.query(`update sheaf.runs set unanswered_since = now() - interval '3 minutes'`);
  await fleet.startWorker();
  const report = await fleet.ended(run);
  expect(report.state).toBe('partial');
  expect(report.reason).toMatch(/could not be asked for its count again: .*503/);
  expect(report.inserted).toBe(250);
});

it('a worker that is set to another server leaves the run to one that is not', async () => {
  const fleet = await setUp();
  const { pool } = fleet.context.database;
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
  // Planned elsewhere, as far as this worker can tell, from the moment on at which its last slice has settled.
  await pool.query(`create function public.elsewhere() returns trigger language plpgsql as $$
    begin
      if old.state = 'fetching' and new.state = 'finalising' then new.source_url = 'http://elsewhere/'; end if;
      return new;
    end $$`);
  await pool.query(
    'create trigger elsewhere before update on sheaf.runs for each row execute function public.elsewhere()',
  );
  await fleet.startWorker();
  const state = async () => (await pool.query('select state from sheaf.runs where id = $1', [run])).rows[0].state;
  await expect.poll(state).toBe('finalising');
  await sleep(1_000);
  expect(await state()).toBe('finalising');
  expect((await tableContent(fleet.context.database.url, 'oda/Afstemning')).size).toBe(0);
  await pool.query('update sheaf.runs set source_url = $2 where id = $1', [run, fleet.twin.url]);
  expect(await fleet.ended(run)).toMatchObject({ state: 'complete', inserted: 250 });
});
