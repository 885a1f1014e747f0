import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RunReport } from '../../src/domain/report.ts';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { startTwin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { sheaf, start } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';

const schema = [parseEntitySchema('Odd', 'id:l text:s? number:l?')];
const HUGE = '{"text":"no key","number":123456789012345678901234567890.10}';
const odd = ['{"id":1}', '{"id":2,"text":"nul \\u0000 \\u001b[2J"}', { key: 3, text: HUGE }, '{"id":4}'];

/** Commands as processes of their own, over a run of four rows of which two are rejected. */
async function setUp() {
  const out = await mkdtemp(join(tmpdir(), 'sheaf-out-'));
  onTestFinished(() => rm(out, { recursive: true, force: true }));
  const twin = await startTwin({ dataset: inlineData({ Odd: odd }, { schema }) });
  onTestFinished(() => twin.stop());
  const databaseUrl = await freshDatabaseUrl();
  const environment = { DATABASE_URL: databaseUrl, SHEAF_ODA_URL: twin.url, SHEAF_OUT: out };
  const harvested = await sheaf(['harvest', 'oda/Odd', '--format', 'none', '--json'], environment);
  const { run } = JSON.parse(harvested.stdout) as RunReport;
  const query = async (text: string, values: unknown[] = []) => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    const { rows } = await client.query(text, values);
    await client.end();
    return rows;
  };
  const rejects = (...words: readonly string[]) => sheaf(['rejects', ...words], environment);
  return { out, environment, run, query, rejects };
}

describe('sheaf rejects', () => {
  it('list prints a table with a count for each reason, and nothing that could disturb a terminal', async () => {
    const { run, query, rejects, environment } = await setUp();
    await query(`update sheaf.rejects set key = E'\\x1b[2J\\nx', detail = repeat(E'\\x1b[2J\\n', 50) where key = '2'`);
    const { code, stdout, stderr } = await rejects('list');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^ *ID +RUN +DATASET +SLICE +KEY +REASON +DETAIL +WHEN +REPLAYED$/);
    expect(stdout).not.toContain('\x1b');
    expect(lines).toHaveLength(8); // two rejects, and three lines below
    expect(stdout).toContain(`2 rejects of ${run}\n  no-key: 1\n  not-storable: 1\n`);
    expect(JSON.parse((await rejects('list', run, '--json', '--reason', 'no-key')).stdout)).toMatchObject({
      of: run,
      total: 1,
      reasons: [{ reason: 'no-key', rejects: 1, open: 1 }],
      rejects: [{ run, dataset: 'oda/Odd', key: null }],
    });
    const status = await sheaf(['status'], environment);
    expect(status.stdout).toContain(`2 records rejected; see why with: sheaf rejects list ${run}`);
  });

  it('export writes NDJSON to stdout, and the same to a file', async () => {
    const { out, rejects } = await setUp();
    const toStdout = await rejects('export', 'oda/Odd', '--reason', 'no-key');
    expect(toStdout).toMatchObject({ code: 0, stderr: '' });
    expect(toStdout.stdout).toMatch(new RegExp(`^{"id":.*,"record":${HUGE.replaceAll(/[{}.]/g, '\\$&')}}\\n$`));
    const path = join(out, 'some', 'rejects.ndjson');
    const toFile = await rejects('export', '--out', path, '--reason', 'no-key');
    expect(toFile).toMatchObject({ code: 0, stdout: `${path}\n` });
    expect(await readFile(path, 'utf8')).toBe(toStdout.stdout);
    expect(await readdir(join(out, 'some'))).toEqual(['rejects.ndjson']);
    expect((await rejects('export', '--format', 'csv')).stdout.split('\n')).toHaveLength(4);
  });

  it('export ends in peace when its reader has had enough', async () => {
    const { environment, query, run } = await setUp();
    await query(
      `insert into sheaf.rejects (run_id, slice_number, reason, detail, record)
       select $1, 1, 'no-key', '-', '{"text":"' || repeat('x', 5000) || '"}' from generate_series(1, 2000)`,
      [run],
    );
    const running = start(['rejects', 'export'], environment);
    running.process.stdout?.once('data', () => running.process.stdout?.destroy());
    expect(await running.finished).toMatchObject({ code: 0, stderr: '' });
  });

  it('replay counts what came of it: 3 while some are still rejected, 0 when none is', async () => {
    const { run, query, rejects } = await setUp();
    const first = await rejects('replay');
    expect(first).toMatchObject({ code: 3, stderr: '' });
    expect(first.stdout).toContain(`${run}: 0 taken, 0 superseded, 2 still rejected\n`);
    expect(first.stdout).toContain(`sheaf rejects list ${run}`);

    // What an older version would have refused, and this one does not.
    await query(`update sheaf.rejects set record = '{"id":' || id + 100 || '}'`);
    const dry = await rejects('replay', 'latest', '--dry-run', '--json');
    expect(dry.code).toBe(0);
    expect(JSON.parse(dry.stdout)).toMatchObject({ of: run, dryRun: true, taken: 2, superseded: 0, rejected: 0 });
    const second = await rejects('replay', 'oda/Odd', '--json');
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(second.stdout)).toEqual({
      ...{ of: 'oda/Odd', dryRun: false, taken: 2, superseded: 0, rejected: 0, skipped: [] },
      runs: [{ run, dataset: 'oda/Odd', taken: 2, superseded: 0, rejected: 0 }],
    });
    expect(await query('select from sheaf.records')).toHaveLength(4);
    expect((await rejects('list')).stdout).toMatch(/no-key: 1, none of them open/);
    expect(await rejects('replay')).toMatchObject({ code: 0, stdout: `Nothing to replay of ${run}.\n` });
  });

  it('ends with 2 and the reason for what does not exist', async () => {
    const { rejects } = await setUp();
    for (const [words, reason] of [
      [['list', 'zz99'], /There is no run "zz99"/],
      [['replay', 'oda/Sag'], /oda\/Sag has not been harvested yet/],
      [['replay', '--reason', 'no-kay'], /Did you mean "no-key"/],
      [['export', '--format', 'xml'], /Allowed choices are ndjson, csv/],
      [['remove'], /unknown command 'remove'/],
    ] as const) {
      const { code, stdout, stderr } = await rejects(...words);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(reason);
    }
  });

  it('says so where there is nothing to list, export or replay', async () => {
    const { query, rejects } = await setUp();
    await query('delete from sheaf.rejects');
    expect(await rejects('list')).toMatchObject({ code: 0, stdout: '', stderr: 'There are no rejects.\n' });
    expect(await rejects('export')).toMatchObject({ code: 0, stdout: '' });
    expect(await rejects('replay')).toMatchObject({ code: 0, stdout: 'Nothing to replay.\n' });
  });
});
