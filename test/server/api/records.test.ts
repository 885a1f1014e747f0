import { parse } from 'csv-parse/sync';
import { expect, it } from 'vitest';
import { inlineData } from '../../../src/twin/twin-data.ts';
import { range, votes } from '../../support/rows.ts';
import { type ServedFleet, startServedFleet } from '../setup.ts';

const RECORDS = '/api/datasets/oda/Afstemning/records';

async function harvested(): Promise<ServedFleet> {
  const rows = votes(range(1, 250));
  Object.assign(rows[11] ?? {}, { konklusion: 'Med 100%_"anførsel"\n\\bagstreg og ÆBLE' });
  const fleet = await startServedFleet({ twin: { dataset: inlineData({ Afstemning: rows }) } });
  await fleet.harvest('oda/Afstemning', { formats: [] });
  return fleet;
}

interface Page {
  records: { key: string; data: Record<string, unknown>; deletedAt: string | null }[];
  next: string | null;
}

async function page({ url }: ServedFleet, query: string): Promise<Page> {
  const answer = await fetch(`${url}${RECORDS}?${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Page;
}

it('pages through all records once, numbers in the order of numbers', async () => {
  const fleet = await harvested();
  const keys: string[] = [];
  let next: string | null = '';
  while (next !== null) {
    const { records, next: following }: Page = await page(fleet, `limit=100${next === '' ? '' : `&cursor=${next}`}`);
    keys.push(...records.map(({ key }) => key));
    next = following;
  }
  expect(keys).toEqual(range(1, 250).map(String));
});

it('finds records by key, by what they say, and by when they changed, whatever the text holds', async () => {
  const fleet = await harvested();
  const keys = async (query: string) => (await page(fleet, query)).records.map(({ key }) => key);
  expect(await keys('key=7&key=200&key=9999')).toEqual(['7', '200']);
  for (const text of ['100%_"anf', '\\bagstreg', 'æble', '\n\\', '"anførsel"\n']) {
    expect(await keys(`text=${encodeURIComponent(text)}`)).toEqual(['12']);
  }
  for (const text of ['%', '_']) expect(await keys(`text=${encodeURIComponent(text)}`)).toEqual(['12']);
  expect(await keys('text=konklusion')).toEqual([]); // the name of a field
  expect(await keys(`text=${encodeURIComponent("'; drop table sheaf.records; --")}`)).toEqual([]);
  const { pool } = fleet.context.database;
  await pool.query(`update sheaf.records set changed_at = now() + interval '1 hour' where key = '31'`);
  await pool.query(`update sheaf.records set deleted_at = now() + interval '2 hours' where key = '32'`);
  const soon = new Date(Date.now() + 60_000).toISOString();
  expect(await keys(`changedSince=${soon}`)).toEqual(['31']);
  expect(await keys(`changedSince=${soon}&deleted=with`)).toEqual(['31', '32']);
  expect(await keys('deleted=only')).toEqual(['32']);
});

it('tells what has changed in the order in which it was merged, a page at a time', async () => {
  const fleet = await harvested();
  const between = new Date().toISOString();
  fleet.twin.remove('Afstemning', 32);
  fleet.twin.put('Afstemning', { ...votes([31])[0], nummer: 0 } as never);
  const { run } = await fleet.harvest('oda/Afstemning', { formats: [] });
  type Page = { changes: Record<string, unknown>[]; next: string | null };
  const read = async (query: string) =>
    (await (await fetch(`${fleet.url}/api/datasets/oda/Afstemning/changes?${query}`)).json()) as Page;
  const changes = [
    { dataset: 'oda/Afstemning', key: '31', kind: 'update', run, fields: ['nummer'], otherKey: null },
    { key: '32', kind: 'delete', run, fields: null },
  ];
  expect(await read(`since=${between}`)).toMatchObject({ changes, next: null });
  const first = await read(`since=${between}&limit=1`);
  expect(first.changes).toMatchObject(changes.slice(0, 1));
  expect(await read(`since=${between}&limit=1&cursor=${first.next}`)).toMatchObject({
    changes: changes.slice(1),
    next: null,
  });
});

it('gives numbers digit for digit, whole or by field', async () => {
  const fleet = await harvested();
  const { pool } = fleet.context.database;
  const exact = '{"id": 5, "stort": 12345678901234567890, "brøk": 1.10}';
  await pool.query(`update sheaf.records set data = $1 where key = '5'`, [exact]);
  const texts = await Promise.all(
    ['/5', '?key=5', '?key=5&format=ndjson'].map(async (path) => (await fetch(`${fleet.url}${RECORDS}${path}`)).text()),
  );
  for (const text of texts) expect(text).toMatch(/12345678901234567890.*1\.10|1\.10.*12345678901234567890/);
  const narrowed = await (await fetch(`${fleet.url}${RECORDS}?key=7&fields=id,typeid`)).text();
  expect(narrowed).toContain('"data":{"id": 7, "typeid": 4}');
});

it('streams everything as NDJSON and CSV, and answers 304 to a client that has the page already', async () => {
  const fleet = await harvested();
  const ndjson = await fetch(`${fleet.url}${RECORDS}`, { headers: { accept: 'application/x-ndjson' } });
  expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
  expect(ndjson.headers.get('etag')).toBeNull();
  const lines = (await ndjson.text()).trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual(range(1, 250));
  const csv = await fetch(`${fleet.url}${RECORDS}?format=csv&fields=id,vedtaget&text=vedtaget&limit=2`);
  expect(parse(await csv.text())).toEqual([
    ['id', 'vedtaget'],
    ['1', 'false'],
    ['2', 'true'],
  ]);
  const refused = await fetch(`${fleet.url}${RECORDS}`, { headers: { accept: 'image/png' } });
  expect(refused.status).toBe(406);
  const first = await fetch(`${fleet.url}${RECORDS}?limit=5`);
  expect(first.headers.get('cache-control')).toBe('private, no-cache');
  const tag = first.headers.get('etag') ?? '';
  const again = await fetch(`${fleet.url}${RECORDS}?limit=5`, { headers: { 'if-none-match': tag } });
  expect([again.status, await again.text()]).toEqual([304, '']);
});

const REFUSED: readonly (readonly [path: string, status: number, code: string])[] = [
  ['?limit=1001', 400, 'invalid-request'],
  ['?limit=0', 400, 'invalid-request'],
  ['?nonsense=1', 400, 'invalid-request'],
  ['?text=%00', 400, 'invalid-request'],
  ['?key=%00', 400, 'invalid-request'],
  ['?fields=id,%00', 400, 'invalid-request'],
  ['?fields=nonsens', 400, 'unknown-field'],
  ['?changedSince=yesterday', 400, 'invalid-request'],
  ['?changedSince=0000-01-01T00:00:00Z', 400, 'invalid-request'],
  ['?cursor=nonsense', 400, 'bad-cursor'],
  ['?cursor=WyJcdTAwMDAiXQ', 400, 'bad-cursor'],
  ['/9999', 404, 'unknown-record'],
  ['/%00', 400, 'invalid-request'],
];

it('refuses what makes no sense, and says why', async () => {
  const fleet = await harvested();
  for (const [path, status, code] of REFUSED) {
    const answer = await fetch(`${fleet.url}${RECORDS}${path}`);
    const { code: given } = (await answer.json()) as { code: string };
    expect.soft([path, answer.status, given]).toEqual([path, status, code]);
  }
});
