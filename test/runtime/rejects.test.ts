import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { describe, expect, it, onTestFinished } from 'vitest';
import { exportRejects, type RejectFormat, writeChunks } from '../../src/runtime/export-rejects.ts';
import { launchRun, resumeRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { findRejects, listRejectsOf } from '../../src/runtime/rejects.ts';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { addRejects } from '../support/rejects.ts';
import { range, votes } from '../support/rows.ts';

const schema = [parseEntitySchema('Odd', 'id:l text:s? number:l?')];
const HUGE = '{"text":"no key","number":123456789012345678901234567890.10,"small":-0}';
const bad = ['{"id":2,"text":"nul \\u0000 inside"}', { key: 3, text: HUGE }, '{"id":4,"text":"half \\ud800 a pair"}'];

/** A run of five rows, of which three cannot be taken: two that cannot be stored, one without a key. */
async function setUp(): Promise<{ fleet: Fleet; run: string }> {
  const odd = ['{"id":1,"text":"fine"}', ...bad, '{"id":5,"text":"fine"}'];
  const fleet = await startFleet({
    twin: { dataset: inlineData({ Odd: odd, Afstemning: votes(range(1, 9)) }, { schema }) },
  });
  const { run, rejected } = await fleet.harvest('oda/Odd', { formats: [] });
  expect(rejected).toBe(3);
  return { fleet, run };
}

async function list({ context }: Fleet, reference?: string, options: { reason?: string; limit?: number } = {}) {
  const { reason = null, limit = 20 } = options;
  return listRejectsOf(context, await findRejects(context, reference), { reason, limit });
}

async function exported(
  { context }: Fleet,
  reference?: string,
  options: { reason?: string; format?: RejectFormat } = {},
) {
  const { reason = null, format = 'ndjson' } = options;
  const chunks = exportRejects(context, await findRejects(context, reference), { reason, format });
  let text = '';
  for await (const chunk of chunks) text += String(chunk);
  return text;
}

const linesOf = (text: string) => text.split('\n').slice(0, -1);

describe('rejects are listed', () => {
  it('of the newest run that has any, of a run, of its end, and of a dataset, the newest first', async () => {
    const { fleet, run } = await setUp();
    const other = await fleet.harvest('oda/Odd', { formats: [] });
    const newest = await fleet.harvest('oda/Afstemning', { formats: [] }); // has none
    expect(await list(fleet)).toMatchObject({ of: other.run, total: 3 });
    expect(await list(fleet, 'latest')).toEqual({ of: newest.run, total: 0, reasons: [], rejects: [] });
    expect(await list(fleet, run.slice(-4))).toMatchObject({ of: run, total: 3 });
    const all = await list(fleet, 'oda/Odd');
    expect(all).toMatchObject({ of: 'oda/Odd', total: 6 });
    expect(all.rejects.map((reject) => reject.run)).toEqual([...Array(3).fill(other.run), ...Array(3).fill(run)]);
    expect(all.rejects.map(({ id }) => id)).toEqual(all.rejects.map(({ id }) => id).toSorted((a, b) => b - a));
  });

  it('with their facts, and counted by reason also where fewer are shown', async () => {
    const { fleet, run } = await setUp();
    const { reasons, rejects, total } = await list(fleet, run, { limit: 1 });
    expect(total).toBe(3);
    expect(reasons).toEqual([
      { reason: 'not-storable', rejects: 2, open: 2 },
      { reason: 'no-key', rejects: 1, open: 1 },
    ]);
    expect(rejects).toHaveLength(1);
    const [keyless] = (await list(fleet, run, { reason: 'no-key' })).rejects;
    expect(keyless).toMatchObject({
      run,
      dataset: 'oda/Odd',
      key: null,
      reason: 'no-key',
      replayedAt: null,
      outcome: null,
    });
    expect(Date.parse(keyless?.rejectedAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
  });

  it('as none where there are none, and never for what does not exist', async () => {
    const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: votes([1]) }) } });
    expect(await list(fleet)).toEqual({ of: null, total: 0, reasons: [], rejects: [] });
    await expect(list(fleet, 'oda/Afstemning')).rejects.toMatchObject({ code: 'unknown-dataset' });
    await fleet.harvest('oda/Afstemning', { formats: [] });
    expect(await list(fleet, 'oda/Afstemning')).toMatchObject({ of: 'oda/Afstemning', total: 0 });
    expect(await exported(fleet, 'oda/Afstemning')).toBe('');
    await expect(list(fleet, 'zz99')).rejects.toMatchObject({ code: 'unknown-run' });
    await expect(list(fleet, 'oda/')).rejects.toMatchObject({ code: 'bad-dataset' });
    await expect(list(fleet, 'oda/Afstemning', { reason: 'no-kay' })).rejects.toThrow(/Did you mean "no-key"/);
    await expect(exported(fleet, undefined, { reason: 'no-kay' })).rejects.toMatchObject({ code: 'unknown-reason' });
  });
});

describe('rejects are exported', () => {
  it('with their records as the source sent them, digit for digit', async () => {
    const { fleet, run } = await setUp();
    const lines = linesOf(await exported(fleet, run));
    const texts = bad.map((row) => (typeof row === 'string' ? row : row.text));
    expect(lines.map((line) => line.slice(line.indexOf(',"record":') + 10, -1)).toSorted()).toEqual(texts.toSorted());
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ run, dataset: 'oda/Odd', outcome: null });
  });

  it('as a string where the record is not JSON, and on one line where it had several', async () => {
    const { fleet, run } = await setUp();
    await addRejects(fleet, run, ['{"cut": sh', '', '{\r\n "id" : 1.0\n}']);
    const lines = linesOf(await exported(fleet, run, { reason: 'no-key' })).slice(1);
    const [cut, empty, spaced] = lines.map((line) => JSON.parse(line));
    expect([cut.text, empty.text]).toEqual(['{"cut": sh', '']);
    expect('record' in cut).toBe(false);
    expect(spaced.record).toEqual({ id: 1 });
    expect(lines[2]).toContain('"id" : 1.0');
  });

  it('as CSV, with the text of the record in its column', async () => {
    const { fleet, run } = await setUp();
    const rows = parse(await exported(fleet, run, { format: 'csv', reason: 'no-key' }), { columns: true });
    expect(rows).toMatchObject([{ run, dataset: 'oda/Odd', key: '', reason: 'no-key', record: HUGE, outcome: '' }]);
    expect(await exported(fleet, 'oda/Odd', { format: 'csv', reason: 'bad-key' })).toMatch(
      /^id,run,dataset,.*,record\n$/,
    );
  });

  it('each once, however many there are, some at a time', async () => {
    const { fleet, run } = await setUp();
    await addRejects(
      fleet,
      run,
      range(1, 450).map((id) => `{"number":${id}}`),
    );
    const chunks = exportRejects(fleet.context, await findRejects(fleet.context, run), {
      reason: null,
      format: 'ndjson',
    });
    const sizes: number[] = [];
    const ids: number[] = [];
    for await (const chunk of chunks) {
      const lines = linesOf(String(chunk));
      sizes.push(lines.length);
      ids.push(...lines.map((line) => Number(JSON.parse(line).id)));
    }
    expect(Math.max(...sizes)).toBe(100);
    expect(ids).toHaveLength(453);
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
  });

  it('into a file that is there whole or not at all: a failure on the way leaves the old one, and no other', async () => {
    const { fleet, run } = await setUp();
    await addRejects(
      fleet,
      run,
      range(1, 250).map((id) => `{"number":${id}}`),
    );
    const { pool } = fleet.context.database;
    const directory = await mkdtemp(join(tmpdir(), 'sheaf-rejects-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const path = join(directory, 'deep', 'rejects.ndjson');
    const open = async () =>
      exportRejects(fleet.context, await findRejects(fleet.context, run), { reason: null, format: 'ndjson' });

    expect(await writeChunks(path, await open())).toBe((await readFile(path)).length);
    expect(linesOf(await readFile(path, 'utf8'))).toHaveLength(253);

    await writeFile(path, 'what was there before');
    const breaking = async function* () {
      for await (const chunk of await open()) {
        yield chunk;
        if (chunk !== '') await pool.query('alter table if exists sheaf.rejects rename to gone');
      }
    };
    await expect(writeChunks(path, breaking())).rejects.toThrow(/sheaf.rejects/);
    expect(await readdir(join(directory, 'deep'))).toEqual(['rejects.ndjson']);
    expect(await readFile(path, 'utf8')).toBe('what was there before');
  });
});

it('rejects of slices that are fetched again, because their rows were lost, are not there twice', async () => {
  const { fleet } = await setUp();
  const { pool } = fleet.context.database;
  const run = await launchRun(fleet.context, fleet.request('oda/Odd', { formats: [] }));
  // A crash of PostgreSQL, once, at the moment when the last slice has settled.
  await pool.query(`create function public.crash() returns trigger language plpgsql as $$
    begin
      truncate sheaf.staging_${run.replaceAll('-', '_')};
      drop trigger crash on sheaf.installation;
      return null;
    end $$`);
  await pool.query(
    'create trigger crash after update on sheaf.installation for each row execute function public.crash()',
  );
  await pool.query(`create function public.lose() returns trigger language plpgsql as $$
    begin
      if new.state = 'finalising' then update sheaf.installation set id = id; end if;
      return null;
    end $$`);
  await pool.query(
    'create trigger lose after update of state on sheaf.runs for each row execute function public.lose()',
  );
  await fleet.startWorker();
  expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 2, rejected: 3 });
  expect((await list(fleet, run)).total).toBe(3);
  const { rows } = await pool.query('select max(attempt) as attempt from sheaf.slices where run_id = $1', [run]);
  expect(rows[0].attempt).toBeGreaterThan(1); // it was fetched again
});

it('rejects of a run that goes on after its end are not there twice', async () => {
  const { fleet } = await setUp();
  fleet.twin.setBehaviour({ countError: 4 });
  const partial = await fleet.harvest('oda/Odd', { formats: [] });
  expect(partial).toMatchObject({ state: 'partial', rejected: 3 });
  fleet.twin.setBehaviour({ countError: 0 });
  await resumeRun(fleet.context, await findRun(fleet.context, partial.run));
  await fleet.startWorker();
  await fleet.ended(partial.run);
  expect((await list(fleet, partial.run)).total).toBe(3);
});
