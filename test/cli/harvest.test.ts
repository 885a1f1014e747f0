import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RunReport } from '../../src/domain/report.ts';
import { startTwin, type Twin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Finished, sheaf, start } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { describeEngines } from '../support/engines.ts';
import { contentOf, ndjsonContent, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

interface Bench {
  readonly twin: Twin;
  readonly environment: Record<string, string>;
  readonly databaseUrl: string;
  readonly out: string;
}

/** A twin, a database and a folder for commands that run as processes of their own. */
async function setUp(rows: ReturnType<typeof votes>, { latencyMs = 0, redisUrl = '' } = {}): Promise<Bench> {
  const out = await mkdtemp(join(tmpdir(), 'sheaf-out-'));
  onTestFinished(() => rm(out, { recursive: true, force: true }));
  const twin = await startTwin({ dataset: inlineData({ Afstemning: rows, Sag: [] }), latencyMs });
  onTestFinished(() => twin.stop());
  const databaseUrl = await freshDatabaseUrl();
  const environment = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, SHEAF_ODA_URL: twin.url, SHEAF_OUT: out };
  return { twin, environment, databaseUrl, out };
}

const reportOf = ({ stdout }: Finished): RunReport => JSON.parse(stdout) as RunReport;

/** Paths of pages, in order; what planning and verifying asks for is left out. */
const pagesAsked = (twin: Twin, since = 0) =>
  twin.requests
    .filter(({ startedAt }) => startedAt >= since)
    .map(({ path }) => path)
    .filter((path) => path.includes('id le') && !path.includes('inlinecount'));

async function stagedPages(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ pages: number }>(
    'select coalesce(sum(pages), 0)::int as pages from sheaf.slices',
  );
  await client.end();
  return rows[0]?.pages ?? 0;
}

describeEngines('sheaf harvest', (redisUrl) => {
  const onlyOnce = it.runIf(redisUrl === undefined); // the engine makes no difference to it

  const bench = (rows: ReturnType<typeof votes>, latencyMs = 0) => setUp(rows, { latencyMs, redisUrl: redisUrl ?? '' });

  it('prints one JSON object on stdout, progress on stderr, and exits 0', async () => {
    const rows = votes(range(1, 450));
    const { environment, databaseUrl } = await bench(rows);
    const finished = await sheaf(['harvest', 'oda/Afstemning', '--json'], environment);
    expect(finished).toMatchObject({ code: 0 });
    expect(finished.stderr).toMatch(/450\/450 records/);
    expect(Object.keys(reportOf(finished))).toEqual(
      expect.arrayContaining(
        'run dataset state reason expected records pages requests retries inserted updated unchanged deleted rejected durationMs exports'.split(
          ' ',
        ),
      ),
    );
    expect(reportOf(finished)).toMatchObject({
      dataset: 'oda/Afstemning',
      state: 'complete',
      records: 450,
      inserted: 450,
    });
    expect(await tableContent(databaseUrl, 'oda/Afstemning')).toEqual(contentOf(rows));
  });

  onlyOnce('harvests several datasets side by side, and prints an array of them', async () => {
    const { environment } = await bench(votes(range(1, 220)));
    const finished = await sheaf(['harvest', 'oda/Afstemning', 'oda/Sag', '--json'], environment);
    expect(finished.code).toBe(0);
    const reports = JSON.parse(finished.stdout) as RunReport[];
    expect(reports.map(({ dataset, state, records }) => [dataset, state, records])).toEqual([
      ['oda/Afstemning', 'complete', 220],
      ['oda/Sag', 'complete', 0],
    ]);
  });

  it('is resumed after kill -9 of its only worker: only the missing pages are fetched, and the result is exact', async () => {
    const rows = votes(range(1, 6_000));
    const { environment, databaseUrl, twin } = await bench(rows, 40);
    const harvest = start(['harvest', 'oda/Afstemning', '--concurrency', '2', '--json'], environment);
    await expect.poll(() => stagedPages(databaseUrl), { timeout: 20_000, interval: 50 }).toBeGreaterThan(15);
    harvest.process.kill('SIGKILL');
    await harvest.finished;
    const staged = await stagedPages(databaseUrl);
    const killedAt = Date.now(); // what the dead worker had asked for is logged only when the twin has answered it

    const resumed = await sheaf(['resume', '--json'], environment);
    expect(resumed.code).toBe(0);
    const report = reportOf(resumed);
    expect(report).toMatchObject({ state: 'complete', records: 6_000, inserted: 6_000 });
    expect(report.pages - staged).toBe(pagesAsked(twin, killedAt).length);
    expect(staged).toBeGreaterThan(15);
    expect(await tableContent(databaseUrl, 'oda/Afstemning')).toEqual(contentOf(rows));
    expect(await ndjsonContent(report.exports.find(({ format }) => format === 'ndjson')?.path ?? '')).toEqual(
      contentOf(rows),
    );
  }, 60_000);

  onlyOnce(
    'hands its work back on Ctrl-C, says how to go on, and the run is resumed from there',
    async () => {
      const rows = votes(range(1, 3_000));
      const { environment, databaseUrl } = await bench(rows, 40);
      const harvest = start(['harvest', 'oda/Afstemning', '--concurrency', '2'], environment);
      await expect.poll(() => stagedPages(databaseUrl), { timeout: 20_000, interval: 50 }).toBeGreaterThan(5);
      harvest.process.kill('SIGINT');
      const stopped = await harvest.finished;
      expect(stopped.code).toBe(130);
      expect(stopped.stderr).toMatch(/is not finished\. Go on with: sheaf resume \d{8}-\d{6}-\w{4}/);
      const resumed = await sheaf(['resume', 'latest', '--json'], environment);
      expect(reportOf(resumed)).toMatchObject({ state: 'complete', records: 3_000 });
      expect(await tableContent(databaseUrl, 'oda/Afstemning')).toEqual(contentOf(rows));
    },
    60_000,
  );

  onlyOnce(
    'ends at once on a second Ctrl-C, and nothing is lost by that',
    async () => {
      const rows = votes(range(1, 1_000));
      const { environment, databaseUrl, twin } = await bench(rows, 100);
      const harvest = start(['harvest', 'oda/Afstemning', '--concurrency', '2'], environment);
      await expect.poll(() => stagedPages(databaseUrl), { timeout: 20_000, interval: 50 }).toBeGreaterThan(1);
      twin.setBehaviour({ latencyMs: 10_000 });
      harvest.process.kill('SIGINT');
      await harvest.says(/handed back/);
      const askedAt = performance.now();
      harvest.process.kill('SIGINT');
      expect((await harvest.finished).code).toBe(130);
      expect(performance.now() - askedAt).toBeLessThan(2_000);
      twin.setBehaviour({ latencyMs: 0 });
      const resumed = await sheaf(['resume', '--json'], environment);
      expect(reportOf(resumed)).toMatchObject({ state: 'complete', records: 1_000 });
      expect(await tableContent(databaseUrl, 'oda/Afstemning')).toEqual(contentOf(rows));
    },
    60_000,
  );

  onlyOnce(
    'goes on with the newest run that is not complete when none is named, and says so when there is none',
    async () => {
      const { environment, databaseUrl } = await bench(votes(range(1, 300)));
      const detached = await sheaf(['harvest', 'oda/Afstemning', '--detach'], environment);
      expect((await sheaf(['pause', detached.stdout.trim()], environment)).code).toBe(0);
      expect((await sheaf(['harvest', 'oda/Sag'], environment)).code).toBe(0);
      const paused = await sheaf(['status', detached.stdout.trim()], environment);
      expect(paused.stdout).toMatch(/paused on request: nothing is fetched until `sheaf resume/);
      expect(reportOf(await sheaf(['resume', '--json'], environment))).toMatchObject({
        run: detached.stdout.trim(),
        state: 'complete',
        records: 300,
      });
      const nothing = await sheaf(['resume'], environment);
      expect(nothing).toMatchObject({ code: 2, stderr: expect.stringMatching(/There is no run to go on with/) });
      expect((await tableContent(databaseUrl, 'oda/Afstemning')).size).toBe(300);
    },
    60_000,
  );

  it('lets other worker processes share a run’s slices, with the same result', async () => {
    const rows = votes(range(1, 8_000));
    const { environment, databaseUrl } = await bench(rows, 30);
    const workers = [
      start(['worker', '--concurrency', '2'], environment),
      start(['worker', '--concurrency', '2'], environment),
    ];
    await Promise.all(workers.map((worker) => worker.says(/Worker \d+ takes 2 slices/)));
    const finished = await sheaf(['harvest', 'oda/Afstemning', '--concurrency', '2', '--json'], environment);
    expect(reportOf(finished)).toMatchObject({ state: 'complete', records: 8_000 });
    for (const worker of workers) worker.process.kill('SIGTERM');
    const ended = await Promise.all(workers.map((worker) => worker.finished));
    for (const { code, stderr } of ended) {
      expect(code).toBe(0);
      expect(stderr.match(/"outcome":"staged"/g)?.length ?? 0).toBeGreaterThan(0);
    }
    expect(await tableContent(databaseUrl, 'oda/Afstemning')).toEqual(contentOf(rows));
  }, 60_000);

  onlyOnce('with --detach leaves the run to workers', async () => {
    const { environment } = await bench(votes(range(1, 300)));
    const detached = await sheaf(['harvest', 'oda/Afstemning', '--detach'], environment);
    const run = detached.stdout.trim();
    expect(run).toMatch(/^\d{8}-\d{6}-\w{4}$/);
    const before = JSON.parse((await sheaf(['status', run, '--json'], environment)).stdout);
    expect(before).toMatchObject({ run, state: 'fetching', records: 0 });
    const worker = start(['worker'], environment);
    await expect
      .poll(async () => reportOf(await sheaf(['status', run, '--json'], environment)).state, { timeout: 20_000 })
      .toBe('complete');
    worker.process.kill('SIGTERM');
    expect((await worker.finished).code).toBe(0);
  });
});

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
    const { writeFile } = await import('node:fs/promises');
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

describe('sheaf db open', () => {
  it('keeps the database open, with nothing else to do, until it is told to stop', async () => {
    const { environment, databaseUrl } = await setUp([]);
    const opened = start(['db', 'open'], environment);
    await opened.says(/stays open until Ctrl-C/);
    await sleep(12_000); // longer than any idle connection is kept
    expect(opened.process.exitCode).toBeNull();
    opened.process.kill('SIGINT');
    expect(await opened.finished).toMatchObject({ code: 0, stdout: `${databaseUrl}\n` });
  });
});

describe('towards the source', () => {
  it('Sheaf is not held back on this machine', async () => {
    const { environment, twin } = await setUp(votes(range(1, 2_000)));
    const startedAt = performance.now();
    await sheaf(['harvest', 'oda/Afstemning'], environment);
    expect(twin.requests.length).toBeGreaterThan(20);
    expect(performance.now() - startedAt).toBeLessThan((twin.requests.length / 5) * 1_000);
  });

  it('--rate holds a harvest to that many requests a second', async () => {
    const { environment, twin } = await setUp(votes(range(1, 1_500)));
    await sheaf(['harvest', 'oda/Afstemning', '--rate', '20'], environment);
    const times = twin.requests.map(({ startedAt }) => startedAt);
    const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000;
    expect((times.length - 1) / seconds).toBeLessThan(21);
  });
});
