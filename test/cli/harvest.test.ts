import { describe, expect, it } from 'vitest';
import type { RunReport } from '../../src/domain/report.ts';
import { sheaf, start } from '../support/command.ts';
import { describeEngines } from '../support/engines.ts';
import { contentOf, ndjsonContent, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

import { pagesAsked, reportOf, setUp, stagedPages } from './setup.ts';

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

  onlyOnce('goes on when nobody reads any more what it says meanwhile', async () => {
    const { environment } = await bench(votes(range(1, 2_000)), 100);
    const harvest = start(['harvest', 'oda/Afstemning', '--concurrency', '1', '--json'], environment);
    harvest.process.stderr?.once('data', () => harvest.process.stderr?.destroy());
    const finished = await harvest.finished;
    expect(finished.code).toBe(0);
    expect(reportOf(finished)).toMatchObject({ state: 'complete', records: 2_000 });
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
    await Promise.all(workers.map((worker) => worker.says(/Worker \d+ asks for 2 pages/)));
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
