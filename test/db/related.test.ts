import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { inTransaction } from '../../src/db/database.ts';
import { ensureDataset } from '../../src/db/queries/datasets.ts';
import { beginMerge, mergeStaged } from '../../src/db/queries/merge.ts';
import { countMissing } from '../../src/db/queries/missing.ts';
import { refetchSlices } from '../../src/db/queries/refetch.ts';
import { countRelatedRejects, createRelated, relatedBySlice } from '../../src/db/queries/related.ts';
import { beginFinalising, claimFinalise, insertRun, sealRun } from '../../src/db/queries/runs.ts';
import { claimSlice, insertSlices, listSlices, releaseSlice, sliceTotals } from '../../src/db/queries/slices.ts';
import { createStaging, stagedBySlice } from '../../src/db/queries/staging.ts';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { REQUEST_DEFAULTS } from '../../src/domain/harvest-request.ts';
import type { Entity, NormalisedRecord } from '../../src/domain/record.ts';
import { freshDatabase } from '../support/database.ts';
import { partitionFor } from '../support/partition.ts';
import { type ComingPages, stage } from './setup.ts';

const entityOf = (name: string): Entity => ({
  name,
  keyField: 'id',
  timestampField: 'ts',
  fields: [{ name: 'id', type: 'integer', isNullable: false }],
  relations: [],
});
const run = '20260101-000000-aaaa';
const claimOf = async (database: Database, worker: number, attempt = 0) =>
  (await claimSlice(database, { run, slice: 1, attempt }, worker)) ?? expect.fail('not claimed');

/** A run with one slice that follows a relation to oda/Aktør. */
async function setUp() {
  const database = await freshDatabase();
  for (const name of ['Sag', 'Aktør'])
    await ensureDataset(database, { name: `oda/${name}`, source: 'oda', entity: entityOf(name), expected: 10 });
  const [dataset, span] = [
    { source: 'oda', entity: 'Sag' },
    { after: 0, upto: 100 },
  ];
  await insertRun(database, {
    ...{ id: run, dataset: 'oda/Sag', entity: entityOf('Sag'), span, pageSize: 10, expected: 4, planRequests: 2 },
    ...{ request: { ...REQUEST_DEFAULTS, dataset, out: '/nowhere' }, sourceUrl: 'http://127.0.0.1/api/' },
    ...{ strategy: 'keyset', timeWindow: null, sourceLatest: null, isPlannedWhole: false, ranges: null },
    expand: [{ relation: 'Aktør', isMany: true, entity: entityOf('Aktør'), expand: [] }],
  });
  await createStaging(database, run);
  await createRelated(database, run);
  await insertSlices(database, run, [span]);
  await sealRun(database, run);
  const worker = await registerWorker(database, { host: 'x', pid: 1, session: 't', version: '0', concurrency: 1 });
  return { database, worker };
}

function record(id: number, timestamp: string | null = null): NormalisedRecord {
  const json = Buffer.from(JSON.stringify({ id, ts: timestamp }));
  return {
    key: String(id),
    hash: `${id}${(timestamp ?? '').replaceAll(/\D/g, '')}`.padStart(32, '0'),
    timestamp,
    json,
    needsCheck: false,
  };
}

function page(id: number, actors: readonly NormalisedRecord[], change: Partial<ComingPages> = {}): ComingPages {
  const rest = { rejects: [], drift: [], pages: 1, requests: 3, bytes: 10, cursor: id, isLast: false, give: [] };
  const reject = { key: null, reason: 'no-key', detail: '', text: '{}' };
  const related = { parts: 2, sets: [{ dataset: 'oda/Aktør', records: actors, rejects: [reject] }], documents: [] };
  return { records: [record(id)], ...rest, related, ...change };
}

async function mergeOf(
  database: Database,
  worker: number,
  options: Pick<Parameters<typeof mergeStaged>[2], 'rows' | 'marksDeleted' | 'missing'>,
) {
  const job = { run, generation: 1, ...(await beginFinalising(database, run)) };
  const finalising = (await claimFinalise(database, job, worker)) ?? expect.fail();
  const parts = { dataset: 'oda/Sag', entity: entityOf('Sag'), related: ['oda/Aktør'], ranges: null };
  return mergeStaged(database, finalising, { ...parts, writesContent: true, ...options });
}

describe('a page with related records', () => {
  it('is in with all of them, or not at all', async () => {
    const { database, worker } = await setUp();
    const first = await claimOf(database, worker);
    const broken = { ...record(9), hash: 'no hash' };
    await expect(stage(database, first, page(1, [record(7), broken]))).rejects.toThrow();
    await releaseSlice(database, first);
    const second = await claimOf(database, worker, first.attempt);
    expect(await stage(database, first, page(1, [record(7)]))).toEqual({ kind: 'fenced' });
    const nothing = await database.pool.query('select from sheaf.rejects');
    expect([await relatedBySlice(database, run), nothing.rowCount]).toEqual([new Map(), 0]);
    expect(await stage(database, second, page(1, [record(7), record(8)]))).toMatchObject({ kind: 'staged' });
    expect(await stagedBySlice(database, run)).toEqual(new Map([[1, 1]]));
    expect(await relatedBySlice(database, run)).toEqual(new Map([[1, 2]]));
    // Requests for the rest of nested collections are no retries, and nested rejects not the slice's.
    expect(await sliceTotals(database, run)).toMatchObject({ records: 1, rejects: 0, requests: 3, retries: 0 });
    const { rows } = await database.pool.query('select dataset, reason from sheaf.rejects');
    expect(rows).toEqual([{ dataset: 'oda/Aktør', reason: 'no-key' }]);
  });

  it('brings of each the version that the source dates last, and leaves alone what another run has written since', async () => {
    const { database, worker } = await setUp();
    const claim = await claimOf(database, worker);
    const [older, newer] = [record(7, '2020-01-01T00:00:00'), record(7, '2021-01-01T00:00:00')];
    await stage(database, claim, page(1, [newer, record(8)]));
    await stage(database, claim, page(2, [older, record(9)], { isLast: true }));
    await partitionFor(database, 'oda/Aktør');
    await database.pool.query(
      `insert into sheaf.records (dataset, key, data, hash, first_seen_at, changed_at)
       values ('oda/Aktør', '9', '{"id": 9, "by": "another"}', gen_random_uuid(), now(), now())`,
    );
    const rows = { distinctKeys: 2, hasDuplicates: false };
    const merged = await mergeOf(database, worker, { rows, marksDeleted: true, missing: 0 });
    expect(merged).toEqual({
      ...{ inserted: 2, updated: 0, unchanged: 0, deleted: 0, rekeyed: 0 },
      related: [{ dataset: 'oda/Aktør', records: 3, inserted: 2, updated: 0, unchanged: 1 }],
    });
    const found = await database.pool.query(
      `select key, data ->> 'ts' as ts, data ->> 'by' as by from sheaf.records where dataset = 'oda/Aktør' order by key`,
    );
    expect(found.rows).toEqual([
      { key: '7', ts: '2021-01-01T00:00:00', by: null },
      { key: '8', ts: null, by: null },
      { key: '9', ts: null, by: 'another' },
    ]);
  });

  it("leaves what is gone of the run's own dataset to be marked, though a nested reject bears the same key", async () => {
    const { database, worker } = await setUp();
    await partitionFor(database, 'oda/Sag');
    await database.pool.query(
      `insert into sheaf.records (dataset, key, data, hash, first_seen_at, changed_at)
       values ('oda/Sag', '5', '{"id": 5}', gen_random_uuid(), '2020-01-01', '2020-01-01')`,
    );
    const reject = { key: '5', reason: 'bad-key', detail: '', text: '{"id":5}' };
    const related = { parts: 0, sets: [{ dataset: 'oda/Aktør', records: [], rejects: [reject] }], documents: [] };
    await stage(database, await claimOf(database, worker), page(1, [], { related, isLast: true }));
    const covering = { id: run, dataset: 'oda/Sag', ranges: null };
    expect(await countMissing(database, covering)).toEqual({ live: 1, missing: 1, unnamed: 0 });
    const options = { rows: { distinctKeys: 1, hasDuplicates: false }, marksDeleted: true, missing: 1 };
    expect(await mergeOf(database, worker, options)).toMatchObject({ inserted: 1, deleted: 1 });
  });

  it('counts the same reject once, whichever slices and pages kept it', async () => {
    const { database, worker } = await setUp();
    const claim = await claimOf(database, worker);
    const named = { key: '5', reason: 'bad-key', detail: '', text: '{"id":5}' };
    const rejects = [named, { ...named, text: '{"id":5,"ts":1}' }, { ...named, key: null }];
    for (const id of [1, 2]) {
      const related = { parts: 0, sets: [{ dataset: 'oda/Aktør', records: [], rejects }], documents: [] };
      await stage(database, claim, page(id, [], { related, isLast: id === 2 }));
    }
    expect(await countRelatedRejects(database.pool, run)).toEqual(new Map([['oda/Aktør', 3]]));
  });

  it('loses them when its slice is fetched again', async () => {
    const { database, worker } = await setUp();
    await stage(database, await claimOf(database, worker), page(1, [record(7)], { isLast: true }));
    const job = { run, generation: 1, ...(await beginFinalising(database, run)) };
    const finalising = (await claimFinalise(database, job, worker)) ?? expect.fail();
    expect(await refetchSlices(database, finalising, [1])).toBe(true);
    expect(await relatedBySlice(database, run)).toEqual(new Map());
    expect(await listSlices(database, run, ['pending'])).toMatchObject([{ related: 0, records: 0 }]);
    expect((await database.pool.query('select from sheaf.rejects')).rowCount).toBe(0);
  });
});

it('merges take the locks of their datasets in one order, and hold none while they wait for the first', async () => {
  const { database } = await setUp();
  const { pool } = database;
  const waiting = await inTransaction(pool, async (first) => {
    await beginMerge(first, 'oda/Aktør');
    const second = inTransaction(pool, (client) => beginMerge(client, 'oda/Sag', 'oda/Aktør'));
    const isWaiting = `select from pg_locks where locktype = 'advisory' and not granted
                       and database = (select oid from pg_database where datname = current_database())`;
    while ((await pool.query(isWaiting)).rowCount === 0) await new Promise(setImmediate);
    await inTransaction(pool, async (third) => {
      await third.query(`set local lock_timeout = '1s'`);
      await beginMerge(third, 'oda/Sag');
    });
    return { second };
  });
  await waiting.second;
});
