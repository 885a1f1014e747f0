import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ExportFormat } from '../../src/domain/harvest-request.ts';
import type { RunReport } from '../../src/domain/report.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { reportRun } from '../../src/runtime/report.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { describeEngines } from '../support/engines.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import {
  asCsv,
  contentOf,
  csvContent,
  jsonContent,
  ndjsonContent,
  sha256,
  tableContent,
} from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

/** Looks on as a person would who asks again when the database was away. */
const untilEnded = async (fleet: Fleet, run: string): Promise<void> => {
  const look = () => reportRun(fleet.context.database, run).catch(() => undefined);
  await expect.poll(async () => (await look())?.state, { timeout: 60_000 }).toMatch(/complete|partial|failed/);
};

const pathOf = (report: RunReport, format: ExportFormat): string => {
  const file = report.exports.find((each) => each.format === format);
  if (file === undefined) throw new Error(`no ${format} was written`);
  return file.path;
};

describeEngines('a harvest', (redisUrl) => {
  it('brings exactly the source’s records into the table and every file, and nothing the second time', async () => {
    const rows = votes([...range(1, 730), ...range(5_000, 5_250), 99_999]);
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }) } });
    const first = await fleet.harvest('oda/Afstemning', { formats: ['ndjson', 'json', 'csv'] });
    expect(first).toMatchObject({ state: 'complete', reason: null, expected: rows.length, records: rows.length });
    expect(first).toMatchObject({
      inserted: rows.length,
      updated: 0,
      unchanged: 0,
      deleted: 0,
      rejected: 0,
      retries: 0,
    });

    const wanted = contentOf(rows);
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(wanted);
    expect(await ndjsonContent(pathOf(first, 'ndjson'))).toEqual(wanted);
    expect(await jsonContent(pathOf(first, 'json'))).toEqual(wanted);
    expect(await csvContent(pathOf(first, 'csv'))).toEqual(asCsv(rows));

    const second = await fleet.harvest('oda/Afstemning', { formats: ['ndjson'] });
    expect(second).toMatchObject({ state: 'complete', inserted: 0, updated: 0, unchanged: rows.length, deleted: 0 });
    expect(second.exports[0]?.sha256).toBe(first.exports.find((file) => file.format === 'ndjson')?.sha256);
  });

  it('takes over changed and new records, and no others', async () => {
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: votes(range(1, 300)) }) } });
    await fleet.harvest('oda/Afstemning');
    fleet.twin.put('Afstemning', { ...votes([42])[0], konklusion: 'Forkastet' });
    fleet.twin.put('Afstemning', votes([301])[0] ?? {});
    const report = await fleet.harvest('oda/Afstemning');
    expect(report).toMatchObject({ state: 'complete', inserted: 1, updated: 1, unchanged: 299 });
    const table = await tableContent(fleet.context.database.url, 'oda/Afstemning');
    expect(JSON.parse(table.get('42') ?? '')).toMatchObject({ konklusion: 'Forkastet' });
    expect(table.size).toBe(301);
  });

  it('is complete for a dataset without a record, and writes empty files', async () => {
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: [] }) } });
    const report = await fleet.harvest('oda/Afstemning', { formats: ['ndjson', 'json', 'csv'] });
    expect(report).toMatchObject({ state: 'complete', expected: 0, records: 0 });
    expect(await readFile(pathOf(report, 'json'), 'utf8')).toBe('[]\n');
    expect(await readFile(pathOf(report, 'csv'), 'utf8')).toMatch(/^id,nummer,konklusion,/);
  });

  it('walks positions instead of keys when asked to, with the same result', async () => {
    const rows = votes(range(1, 950));
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }) } });
    const report = await fleet.harvest('oda/Afstemning', { strategy: 'offset' });
    expect(report).toMatchObject({ state: 'complete', reason: null, records: 950, inserted: 950 });
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
  });

  it('takes only what a filter, a selection and a limit let through', async () => {
    const rows = votes(range(1, 800));
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }) } });
    const report = await fleet.harvest('oda/Afstemning', {
      filter: 'typeid eq 2 or typeid eq 3',
      select: ['nummer', 'typeid'],
      maxRecords: 150,
    });
    const wanted = rows
      .filter((row) => row['typeid'] === 2 || row['typeid'] === 3)
      .slice(0, 150)
      .map(({ id, nummer, typeid, opdateringsdato }) => ({ id, nummer, typeid, opdateringsdato }));
    expect(report).toMatchObject({ state: 'complete', expected: 150, records: 150 });
    expect(await ndjsonContent(pathOf(report, 'ndjson'))).toEqual(contentOf(wanted));
    // A part of each record would wipe out the rest of it: the table is left as it is.
    expect((await tableContent(fleet.context.database.url, 'oda/Afstemning')).size).toBe(0);
    const header = (await readFile(pathOf(report, 'csv'), 'utf8')).split('\n')[0];
    expect(header).toBe('id,nummer,typeid,opdateringsdato');
  });

  it('puts a manifest beside the files whose hashes and counts are theirs', async () => {
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: votes(range(1, 120)) }) } });
    const report = await fleet.harvest('oda/Afstemning');
    const directory = dirname(pathOf(report, 'csv'));
    expect(directory).toBe(join(fleet.out, 'oda-Afstemning', report.run));
    const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8'));
    expect(manifest).toMatchObject({
      run: report.run,
      dataset: 'oda/Afstemning',
      state: 'complete',
      proof: { holds: true },
    });
    for (const file of report.exports) {
      const content = await readFile(file.path);
      expect({ bytes: content.length, sha256: sha256(content), records: 120 }).toEqual({
        bytes: file.bytes,
        sha256: file.sha256,
        records: file.records,
      });
    }
  });

  it('gives every dataset a typed view', async () => {
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: votes(range(1, 10)) }) } });
    await fleet.harvest('oda/Afstemning');
    const { rows } = await fleet.context.database.pool.query(
      `select "mødeid", vedtaget, opdateringsdato::text, pg_typeof(opdateringsdato)::text as type from oda."Afstemning" where id = 3`,
    );
    expect(rows).toEqual([
      { mødeid: 17, vedtaget: false, opdateringsdato: '2014-09-04 09:05:59.653', type: 'timestamp without time zone' },
    ]);
  });

  it('survives a database that drops every connection in mid-run, again and again', async () => {
    const rows = votes(range(1, 5_000));
    const twin = { dataset: inlineData({ Afstemning: rows }), latencyMs: 15 };
    const fleet = await startFleet({ redisUrl, twin });
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: ['ndjson'] }));
    await fleet.startWorker();
    const { pool } = fleet.context.database;
    for (let time = 0; time < 4; time++) {
      await sleep(150);
      await pool.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
    }
    await untilEnded(fleet, run);
    expect(await reportRun(fleet.context.database, run)).toMatchObject({ state: 'complete', records: 5_000 });
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
  }, 90_000);

  it('shares uneven key ranges out instead of leaving one slice with all the work', async () => {
    // 20,000 records in the last hundredth of the key space: equal ranges would give one slice nearly all of them.
    const rows = votes([1, ...range(1_980_001, 2_000_000)]);
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }) } });
    const report = await fleet.harvest('oda/Afstemning', { formats: [] });
    expect(report).toMatchObject({ state: 'complete', records: 20_001 });
    const { rows: slices } = await fleet.context.database.pool.query<{ most: number }>(
      'select max(pages) as most from sheaf.slices where run_id = $1',
      [report.run],
    );
    expect(slices[0]?.most).toBeLessThanOrEqual(20); // 201 pages in 16 slices, and half as many again
  });
});
