import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HarvestRequest } from '../../src/domain/harvest-request.ts';
import type { RunReport } from '../../src/domain/report.ts';
import { findChanges, summariseChanges } from '../../src/runtime/changes.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { startFleet } from '../support/fleet.ts';
import { asCsv, contentOf, csvContent, ndjsonContent, tableContent } from '../support/independent.ts';
import { slicesOf } from '../support/living-source.ts';
import { ballot, ballots, counts, members, parents, STAMP, setUpRelated } from '../support/related-rows.ts';
import { range } from '../support/rows.ts';

const ndjson: Partial<HarvestRequest> = { formats: ['ndjson'] };
const pathOf = ({ exports }: RunReport, dataset: string, format: string) =>
  exports.find((file) => file.dataset === `oda/${dataset}` && file.format === format)?.path ?? 'no such file';

describe('a harvest that follows relations', () => {
  it('stores what comes nested as records of its own datasets, to the end of each collection, and parents as without', async () => {
    const { fleet, pool, table } = await setUpRelated();
    const plain = await fleet.harvest('oda/Afstemning', { formats: [] });
    const report = await fleet.harvest('oda/Afstemning', { expand: ['Stemme/Aktør'] });
    expect(report).toMatchObject({ state: 'complete', records: 60, unchanged: 60, updated: 0, rejected: 0, drift: [] });
    expect(report.related).toEqual([
      counts('Aktør', 30, { inserted: 30 }),
      counts('Stemme', ballots.length, { inserted: ballots.length }),
    ]);
    const changed = await findChanges(fleet.context, {
      dataset: 'oda/Aktør',
      run: report.run,
      since: null,
      kind: null,
    });
    expect((await summariseChanges(fleet.context, changed.filter)).counts).toEqual({
      insert: 30,
      update: 0,
      delete: 0,
    });
    const ofPlain = { dataset: 'oda/Aktør', run: plain.run, since: null, kind: null };
    await expect(findChanges(fleet.context, ofPlain)).rejects.toMatchObject({ code: 'run-of-another' });
    expect(plain.related).toEqual([]);
    expect(report.retries).toBe(0);
    for (const [entity, rows] of [
      ['Afstemning', parents] as const,
      ['Stemme', ballots] as const,
      ['Aktør', members] as const,
    ]) {
      expect(await table(entity)).toEqual(contentOf(rows));
      expect(await ndjsonContent(pathOf(report, entity, 'ndjson'))).toEqual(contentOf(rows));
      expect(await csvContent(pathOf(report, entity, 'csv'))).toEqual(asCsv(rows));
    }
    const operations = await readFile('docs/operations.md', 'utf8');
    const [, marks = ''] = /```sql\n(select w\.dataset[\s\S]*?)```/.exec(operations) ?? [];
    expect((await pool.query(marks)).rows.filter(({ dataset }) => dataset === 'oda/Afstemning')).toMatchObject(
      [null, ['Stemme/Aktør']].map((relations) => ({ relations, selection: expect.any(String) })),
    );
    const manifest = JSON.parse(
      await readFile(join(dirname(pathOf(report, 'Stemme', 'csv')), 'manifest.json'), 'utf8'),
    );
    expect(manifest).toMatchObject({ expand: ['Stemme/Aktør'], relations: 'flat' });
    expect(manifest.files.map(({ name }: { name: string }) => name).toSorted()).toEqual(
      report.exports.map(({ path }) => basename(path)).toSorted(),
    );
    expect((await pool.query(`select relname from pg_class where relname like 'related\\_%'`)).rows).toEqual([]);
    const { rows: views } = await pool.query<{ count: number }>('select count(*) from oda."Stemme"');
    expect(views[0]?.count).toBe(ballots.length);
    const whole = await fleet.harvest('oda/Stemme', { formats: [] }); // byte for byte what the source sends by itself
    expect(whole).toMatchObject({ inserted: 0, updated: 0, unchanged: ballots.length, deleted: 0 });
  });

  it('nests records inside their parents in JSON files when told to; CSV stays flat', async () => {
    const { fleet } = await setUpRelated();
    const request = { expand: ['Stemme/Aktør'], relations: 'nested', formats: ['ndjson', 'json', 'csv'] } as const;
    const report = await fleet.harvest('oda/Afstemning', request);
    expect(report.exports.map(({ dataset, format, records }) => [dataset, format, records])).toEqual([
      ['oda/Afstemning', 'csv', 60],
      ['oda/Afstemning', 'json', 60],
      ['oda/Afstemning', 'ndjson', 60],
      ['oda/Aktør', 'csv', 30],
      ['oda/Stemme', 'csv', ballots.length],
    ]);
    const nested = parents.map((vote) => ({
      ...vote,
      Stemme: ballots
        .filter(({ afstemningid }) => afstemningid === vote['id'])
        .map((each) => ({ ...each, Aktør: members.find(({ id }) => id === each['aktørid']) })),
    }));
    expect(await ndjsonContent(pathOf(report, 'Afstemning', 'ndjson'))).toEqual(contentOf(nested));
    expect(JSON.parse(await readFile(pathOf(report, 'Afstemning', 'json'), 'utf8'))).toEqual(nested);
    expect(await csvContent(pathOf(report, 'Afstemning', 'csv'))).toEqual(asCsv(parents));
    expect(await csvContent(pathOf(report, 'Stemme', 'csv'))).toEqual(asCsv(ballots));
  });

  it('holds one page of a slice at a time: the next is asked for when it is staged', async () => {
    const { fleet } = await setUpRelated({ cap: 3 }); // more pages than slices
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { expand: ['Stemme'], formats: [] }));
    fleet.twin.clearRequests();
    const uptoOf = new Map((await slicesOf(fleet, run)).map(({ number, span }) => [number, span.upto]));
    const askedOf = (slice: number) =>
      fleet.twin.requests.filter(
        ({ path }) => path.includes(`Afstemning?`) && path.includes(`le ${uptoOf.get(slice)}&`),
      );
    const staged: number[] = [];
    const ahead: number[] = [];
    fleet.context.telemetry.on('pages.staged', ({ slice }) => {
      staged.push(slice);
      ahead.push(askedOf(slice).length - staged.filter((each) => each === slice).length);
    });
    await fleet.startWorker(1);
    const { state, pages } = await fleet.ended(run);
    expect([state, pages > 16]).toEqual(['complete', true]);
    expect(ahead).toEqual(staged.map(() => 0));
    expect(staged).toHaveLength(pages);
  });

  it('notes what has changed in related records, and deletes none of them', async () => {
    const { fleet, pool, table } = await setUpRelated();
    await fleet.harvest('oda/Afstemning', { ...ndjson, expand: ['Stemme'] });
    fleet.twin.put('Stemme', ballot(201, { typeid: 9 }) as never); // edited, its timestamp left alone
    fleet.twin.remove('Stemme', 202);
    fleet.twin.put('Stemme', ballot(203 + 40) as never); // new
    fleet.twin.remove('Afstemning', 3); // with its ballots, for whoever comes by the vote
    const report = await fleet.harvest('oda/Afstemning', { ...ndjson, expand: ['Stemme'] });
    expect(report).toMatchObject({ state: 'complete', deleted: 1, unchanged: 59 });
    const seen = ballots.length - 1 + 1 - 3;
    expect(report.related).toEqual([counts('Stemme', seen, { inserted: 1, updated: 1, unchanged: seen - 2 })]);
    const kept = ballots.map((each) => (each['id'] === 201 ? ballot(201, { typeid: 9 }) : each));
    expect(await table('Stemme')).toEqual(contentOf([...kept, ballot(243)]));
    const { rows: changes } = await pool.query(
      `select dataset, key, kind, fields, at = max(at) over () as is_at_once from sheaf.changes where run_id = $1 order by dataset, key`,
      [report.run],
    );
    expect(changes).toEqual([
      { dataset: 'oda/Afstemning', key: '3', kind: 'delete', fields: null, is_at_once: true },
      { dataset: 'oda/Stemme', key: '201', kind: 'update', fields: ['typeid'], is_at_once: true },
      { dataset: 'oda/Stemme', key: '243', kind: 'insert', fields: null, is_at_once: true },
    ]);
    expect(await fleet.harvest('oda/Stemme', ndjson)).toMatchObject({
      state: 'complete',
      deleted: 1,
      unchanged: seen + 3,
    });
  });

  it('brings records of its own entity that a filter left out, and none that a sweep of everything has not seen', async () => {
    const node = parseEntitySchema('Node', 'id:i parentid:i? navn:s opdateringsdato:d', 'Parent=Node.parentid');
    const nodes = range(1, 8).map((id) => ({
      id,
      parentid: id > 1 ? id - 1 : null,
      navn: `n${id}`,
      opdateringsdato: STAMP,
    }));
    const dataset = inlineData({ Node: nodes }, { schema: [node] });
    const fleet = await startFleet({ twin: { dataset } });
    const content = () => tableContent(fleet.context.database.url, 'oda/Node');
    const part = await fleet.harvest('oda/Node', { ...ndjson, filter: 'id gt 6', expand: ['Parent/Parent'] });
    expect(part).toMatchObject({ inserted: 2, related: [counts('Node', 2, { inserted: 2 })] });
    expect(await content()).toEqual(contentOf(nodes.slice(4)));
    const all = await fleet.harvest('oda/Node', { ...ndjson, expand: ['Parent'] });
    expect(all).toMatchObject({ state: 'complete', inserted: 4, unchanged: 4, related: [counts('Node', 0)] });
    expect(await content()).toEqual(contentOf(nodes));
  });
});
