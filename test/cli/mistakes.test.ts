import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sheaf, start } from '../support/command.ts';
import { tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

import { pagesAsked, reportOf, setUp, stagedPages } from './setup.ts';

describe('what is asked wrongly', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown source', ['harvest', 'odda/Sag'], /There is no source "odda"\. Did you mean "oda"\?/],
    ['an unknown entity', ['harvest', 'oda/Aktor'], /"Aktor".*Did you mean "Aktør"\?/],
    [
      'an unknown field in a filter',
      ['harvest', 'oda/Sag', '--filter', 'titl eq null'],
      /"titl".*Did you mean "titel"\?/,
    ],
    ['a filter that is no filter', ['harvest', 'oda/Sag', '--filter', 'titel eq eq'], /filter/],
    ['an unknown field in a selection', ['harvest', 'oda/Sag', '--select', 'titl'], /"titl".*Did you mean "titel"\?/],
    ['a dataset that is none', ['harvest', 'Sag'], /"Sag" is not a dataset\. Write source\/entity/],
    ['an unknown format', ['harvest', 'oda/Sag', '--format', 'jsn'], /"jsn" is not a format\. Did you mean "json"\?/],
    [
      'an unknown option',
      ['harvest', 'oda/Sag', '--formt', 'csv'],
      /unknown option '--formt'\s+\(Did you mean --format\?\)/,
    ],
    ['a number that is none', ['harvest', 'oda/Sag', '--concurrency', 'many'], /Expected a whole number from 1 to 256/],
    ['an unknown command', ['harvst'], /unknown command 'harvst'\s+\(Did you mean harvest\?\)/],
    [
      'a second dataset that is unknown, before the first starts',
      ['harvest', 'oda/Afstemning', 'oda/Sagg'],
      /Did you mean "Sag"\?/,
    ],
    ['a rate for nobody', ['harvest', 'oda/Sag', '--detach', '--rate', '2'], /give it to `sheaf worker`/],
    [
      'a selection for nothing',
      ['harvest', 'oda/Sag', '--select', 'titel', '--format', 'none'],
      /nothing would be kept/,
    ],
    ['an unknown run', ['status', 'nowhere'], /There is no run "nowhere"; `sheaf runs` lists them/],
  ])('%s gets one line and exit code 2', async (_what, args, message) => {
    const { environment, twin } = await setUp(votes([1]));
    const finished = await sheaf(args, environment);
    expect(finished.stderr).toMatch(message);
    expect(finished).toMatchObject({ code: 2, stdout: '' });
    expect(finished.stderr).not.toMatch(/\n\s+at /);
    expect(pagesAsked(twin)).toEqual([]);
  });

  it.each<[string, Record<string, string>, RegExp, number]>([
    [
      'a setting that does not exist',
      { SHEAF_OUTT: 'x' },
      /SHEAF_OUTT is not a setting of Sheaf\. Did you mean "SHEAF_OUT"\?/,
      2,
    ],
    [
      'a setting that makes no sense',
      { SHEAF_CONCURRENCY: 'lots' },
      /SHEAF_CONCURRENCY must be a whole number from 1 to 256; it is "lots"/,
      2,
    ],
    [
      'a database that is not there',
      { DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/x' },
      /Cannot use PostgreSQL at 127\.0\.0\.1:1\/x: .*ECONNREFUSED/,
      1,
    ],
    [
      'a Redis that is not there',
      { REDIS_URL: 'redis://me:hunter2@127.0.0.1:1' },
      /Cannot use Redis at 127\.0\.0\.1:1/,
      1,
    ],
    [
      'a source that is not there',
      { SHEAF_ODA_URL: 'http://me:hunter2@127.0.0.1:1/api/' },
      /127\.0\.0\.1:1\/api\/\$metadata failed: nothing listens there/,
      1,
    ],
  ])('%s gets one line that says what to do, without secrets', async (_what, changes, message, code) => {
    const { environment } = await setUp(votes([1]));
    const finished = await sheaf(['harvest', 'oda/Afstemning'], { ...environment, ...changes });
    const lines = finished.stderr.trim().split('\n'); // one more tells of requests that are tried again
    expect(lines.at(-1)).toMatch(message);
    expect(finished.code).toBe(code);
    expect(lines.length).toBeLessThanOrEqual(2);
    expect(finished.stderr).not.toContain('hunter2');
  });

  it('a database that is not migrated gets one line that says what to do', async () => {
    const { environment, databaseUrl } = await setUp(votes([1]));
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    await client.query('drop schema sheaf cascade');
    await client.end();
    const refused = await sheaf(['runs'], environment);
    expect(refused.stderr).toMatch(/is not migrated \(0001_ledger, .* missing\)\. Run `sheaf db migrate`\./);
    expect(refused.code).toBe(1);
    expect((await sheaf(['db', 'migrate'], environment)).stderr).toMatch(/Applied 0001_ledger/);
    expect((await sheaf(['db', 'migrate'], environment)).stderr).toMatch(/up to date/);
    expect((await sheaf(['harvest', 'oda/Afstemning', '--json'], environment)).code).toBe(0);
  });
});

describe('a folder that cannot be written', () => {
  it('is found before anything is fetched: exit 1, and tables untouched', async () => {
    const { environment, databaseUrl, twin } = await setUp(votes(range(1, 50)));
    const finished = await sheaf(['harvest', 'oda/Afstemning', '--out', '/dev/null/exports'], environment);
    expect(finished.code).toBe(1);
    expect(finished.stderr).toMatch(/\/dev\/null\/exports/);
    expect(pagesAsked(twin)).toEqual([]);
    expect((await tableContent(databaseUrl, 'oda/Afstemning')).size).toBe(0);
  });

  it('leaves the tables as they were when it fails later, and the run is resumed', async () => {
    const rows = votes(range(1, 2_000));
    const { environment, databaseUrl, out } = await setUp(rows, { latencyMs: 40 });
    const harvest = start(['harvest', 'oda/Afstemning', '--concurrency', '2', '--json'], environment);
    await expect.poll(() => stagedPages(databaseUrl), { timeout: 20_000, interval: 20 }).toBeGreaterThan(1);
    await rm(out, { recursive: true });
    await writeFile(out, 'a file is in the way');
    const failed = await harvest.finished;
    expect(failed.code).toBe(1);
    expect(reportOf(failed)).toMatchObject({ state: 'failed', inserted: 0, exports: [] });
    expect(reportOf(failed).reason).toContain(out);
    expect((await tableContent(databaseUrl, 'oda/Afstemning')).size).toBe(0);
    await rm(out);
    const resumed = await sheaf(['resume', '--json'], environment);
    expect(reportOf(resumed)).toMatchObject({ state: 'complete', records: 2_000, inserted: 2_000 });
    expect(await readdir(out)).toEqual(['oda-Afstemning']);
  }, 60_000);
});

describe('a run of another server', () => {
  it('is not resumed, and not worked, from this one', async () => {
    const { environment, databaseUrl } = await setUp(votes(range(1, 400)));
    await sheaf(['harvest', 'oda/Afstemning', '--detach'], environment);
    const other = await setUp(votes(range(1, 500)));
    const elsewhere = { ...environment, SHEAF_ODA_URL: other.environment['SHEAF_ODA_URL'] ?? '' };
    const refused = await sheaf(['resume'], elsewhere);
    expect(refused.stderr).toMatch(/was planned from http:\/\/127.0.0.1:\d+\/api\/, and the source is set to http/);
    expect(refused.code).toBe(2);
    const worker = start(['worker'], elsewhere);
    await worker.says(/postponed/);
    worker.process.kill('SIGTERM');
    await worker.finished;
    expect(pagesAsked(other.twin)).toEqual([]);
    expect(await stagedPages(databaseUrl)).toBe(0);
    expect((await sheaf(['resume', '--json'], environment)).code).toBe(0);
    expect((await tableContent(databaseUrl, 'oda/Afstemning')).size).toBe(400);
  }, 60_000);
});

describe('a command that only looks', () => {
  it('says that there is no database, and does not make one', async () => {
    const home = await mkdtemp(join(tmpdir(), 'sheaf-home-'));
    onTestFinished(() => rm(home, { recursive: true, force: true }));
    for (const args of [['runs'], ['status'], ['export', 'oda/Sag'], ['cancel', 'latest']]) {
      const refused = await sheaf(args, { SHEAF_HOME: home });
      expect(refused.stderr).toMatch(/There is no database in .* yet\. Harvest something first/);
      expect(refused.code).toBe(2);
    }
    expect(await readdir(home)).toEqual([]);
  });
});

describe('Ctrl-C while a harvest is planned', () => {
  it('says that nothing was fetched, and how to go on', async () => {
    const { environment, twin } = await setUp(votes(range(1, 50)), { latencyMs: 1_500 });
    const harvest = start(['harvest', 'oda/Afstemning'], environment);
    await expect.poll(() => twin.requests.length, { timeout: 20_000 }).toBeGreaterThan(0); // the plan asks twice
    harvest.process.kill('SIGINT');
    const { code, stderr } = await harvest.finished;
    expect(stderr).toMatch(/Interrupted while planning: nothing was fetched/);
    expect(code).toBe(130);
  });
});
