import { describe, expect, it } from 'vitest';
import { type Database, inTransaction } from '../../src/db/database.ts';
import { ensureDataset } from '../../src/db/queries/datasets.ts';
import { mergeStaged } from '../../src/db/queries/merge.ts';
import { makePartition } from '../../src/db/queries/partitions.ts';
import { beginFinalising, cancelRun, claimFinalise, type FinaliseClaim } from '../../src/db/queries/runs.ts';
import { freshDatabase } from '../support/database.ts';
import { partitionFor } from '../support/partition.ts';
import { claimed, livingWorker, page, setUpRun, stage } from './setup.ts';

const options = {
  dataset: 'oda/Sag',
  entity: { keyField: 'id', timestampField: null },
  rows: { distinctKeys: 2, hasDuplicates: false },
  ...{ writesContent: true, ranges: null, marksDeleted: false, missing: 0 },
};

/** A run that has staged two records and is to be merged. */
async function setUp(
  about: Parameters<typeof setUpRun>[0] = {},
): Promise<{ database: Database; claim: FinaliseClaim }> {
  const { database, run } = await setUpRun(about);
  const worker = await livingWorker(database);
  for (const slice of [1, 2]) {
    const claim = await claimed(database, run, slice, worker);
    await stage(database, claim, page([slice], { isLast: true, cursor: slice * 100 }));
  }
  await beginFinalising(database, run);
  return { database, claim: (await claimFinalise(database, { run, generation: 1 }, worker)) ?? expect.fail() };
}

/** A merge that has written everything, and commits when it is told to. */
async function openMerge(database: Database, claim: FinaliseClaim, dataset = 'oda/Sag') {
  const before = await openMerges(database);
  const files = Promise.withResolvers<void>();
  const merging = mergeStaged(database, claim, { ...options, dataset, ready: files.promise });
  await expect.poll(() => openMerges(database)).toBe(before + 1);
  const commit = () => {
    files.resolve();
    return merging;
  };
  return { merging, commit };
}

/** By the lock of `analyze`, the last thing that a first load does to its table, which is held until the merge ends. */
async function openMerges({ pool }: Database): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(distinct pid) from pg_locks join pg_stat_activity using (pid)
     where datname = current_database() and backend_type = 'client backend'
       and locktype = 'relation' and mode = 'ShareUpdateExclusiveLock'`,
  );
  return rows[0]?.count ?? 0;
}

/** The tables that hold records, attached or not, by kind. */
async function tables({ pool }: Database): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select relname || ' ' || relkind::text as name from pg_class
     where relname like 'records\\_%' and relkind in ('r', 'p') order by 1`,
  );
  return rows.map(({ name }) => name);
}

const keys = async ({ pool }: Database, dataset: string) =>
  (
    await pool.query<{ key: string }>('select key from sheaf.records where dataset = $1 order by key', [dataset])
  ).rows.map(({ key }) => key);

/** What PostgreSQL knows of a table, whatever it and its indexes are called. */
async function properties({ pool }: Database, table: string): Promise<unknown> {
  const { rows } = await pool.query(
    `select c.relpersistence, c.reloptions, pg_get_expr(c.relpartbound, c.oid) as bound,
       (select jsonb_agg(jsonb_build_array(attnum, attname, format_type(atttypid, atttypmod), attnotnull, attcollation,
                                           attstorage, attcompression, atthasdef, attinhcount, attislocal, attstattarget)
                         order by attnum)
        from pg_attribute where attrelid = c.oid and attnum > 0) as columns,
       (select jsonb_agg(replace(pg_get_indexdef(indexrelid), c.relname, 'T') || indisvalid || (i.inhparent is not null)
                         order by pg_get_indexdef(indexrelid))
        from pg_index x left join pg_inherits i on i.inhrelid = x.indexrelid where x.indrelid = c.oid) as indexes,
       (select jsonb_agg(jsonb_build_array(contype, replace(pg_get_constraintdef(oid), c.relname, 'T'), convalidated,
                                           coninhcount, conparentid <> 0) order by contype, pg_get_constraintdef(oid))
        from pg_constraint where conrelid = c.oid) as constraints
     from pg_class c where c.oid = ('sheaf.' || $1)::regclass`,
    [table],
  );
  return rows[0];
}

describe('a first load', () => {
  it('makes the same of a partition as is made for records that come one by one', async () => {
    const loaded = await setUp();
    await mergeStaged(loaded.database, loaded.claim, options);
    const { database } = await setUpRun();
    await partitionFor(database, 'oda/Sag');
    expect(await properties(loaded.database, 'records_1_oda_sag')).toEqual(
      await properties(database, 'records_1_oda_sag'),
    );
  });

  it('splits the partition of a large dataset, also when only a part of it is harvested', async () => {
    const { database, claim } = await setUp({ expected: 10_000_000 });
    expect(await mergeStaged(database, claim, options)).toMatchObject({ inserted: 2 });
    expect(await keys(database, 'oda/Sag')).toEqual(['1', '2']);
    const parts = Array.from({ length: 8 }, (_nothing, part) => `records_1_oda_sag_h${part} r`);
    expect(await tables(database)).toEqual(['records_1_oda_sag p', ...parts]);
    const { database: other } = await setUpRun({ expected: 10_000_000 });
    await partitionFor(other, 'oda/Sag');
    for (const table of ['records_1_oda_sag', 'records_1_oda_sag_h7'])
      expect(await properties(database, table)).toEqual(await properties(other, table));
  });

  it('builds the indexes that the table of all records has, and no others', async () => {
    const { database, claim } = await setUp();
    await database.pool.query(
      `drop index sheaf.records_length_key_dataset_idx; create index on sheaf.records (hash) where key <> ' USING '`,
    );
    await mergeStaged(database, claim, options);
    const { rows } = await database.pool.query<{ definition: string }>(
      `select substring(pg_get_indexdef(indexrelid) from ' ON .*') as definition
       from pg_index where indrelid = 'sheaf.records_1_oda_sag'::regclass order by indexrelid`,
    );
    expect(rows.map(({ definition }) => definition)).toEqual([
      ' ON sheaf.records_1_oda_sag USING btree (key, dataset)',
      ' ON sheaf.records_1_oda_sag USING brin (COALESCE(deleted_at, changed_at))',
      " ON sheaf.records_1_oda_sag USING btree (hash) WHERE (key <> ' USING '::text)",
    ]);
  });

  it('fills the partition that an earlier version has made', async () => {
    const { database, claim } = await setUp();
    await partitionFor(database, 'oda/Sag');
    expect(await mergeStaged(database, claim, options)).toMatchObject({ inserted: 2 });
    expect(await keys(database, 'oda/Sag')).toEqual(['1', '2']);
  });

  it('makes nothing where nothing came', async () => {
    const { database, run } = await setUpRun();
    const worker = await livingWorker(database);
    for (const slice of [1, 2]) {
      const claim = await claimed(database, run, slice, worker);
      await stage(database, claim, page([], { isLast: true, cursor: slice * 100 }));
    }
    await beginFinalising(database, run);
    const claim = (await claimFinalise(database, { run, generation: 1 }, worker)) ?? expect.fail();
    const rows = { distinctKeys: 0, hasDuplicates: false };
    expect(await mergeStaged(database, claim, { ...options, rows })).toMatchObject({ inserted: 0 });
    expect(await tables(database)).toEqual([]);
  });

  it('leaves nothing behind when it is rolled back', async () => {
    const { database, claim } = await setUp();
    const { commit } = await openMerge(database, claim);
    await cancelRun(database, claim.run);
    expect(await commit()).toBeUndefined();
    expect(await tables(database)).toEqual([]);
    const { rows } = await database.pool.query('select from sheaf.changes');
    expect(rows).toEqual([]);
  });

  it('waits for no other that waits for its files', async () => {
    const { database, claim } = await setUp();
    const id = '20260101-000000-bbbb';
    const { claim: other } = await setUp({ beside: database, id, dataset: 'oda/Møde' });
    const first = await openMerge(database, claim);
    const second = await openMerge(database, other, 'oda/Møde');
    expect(await second.commit()).toMatchObject({ inserted: 2 });
    expect(await keys(database, 'oda/Møde')).toEqual(['1', '2']);
    expect(await keys(database, 'oda/Sag')).toEqual([]);
    expect(await first.commit()).toMatchObject({ inserted: 2 });
    expect(await keys(database, 'oda/Sag')).toEqual(['1', '2']);
  });

  it('ends soon after another that was attached before it, whichever way the other ends', async () => {
    const database = await freshDatabase();
    const entity = { name: 'Sag', keyField: 'id', timestampField: null, fields: [], relations: [] };
    await ensureDataset(database, { name: 'oda/Møde', source: 'oda', entity, expected: 1 });
    const { claim } = await setUp({ beside: database });
    const attached = await database.pool.connect();
    await attached.query('begin');
    await makePartition(attached, 'oda/Møde');
    const merging = mergeStaged(database, claim, options);
    const waiting = () => database.pool.query(`select from pg_locks where not granted and database is not null`);
    await expect.poll(async () => (await waiting()).rowCount).toBe(1);
    await attached.query('rollback');
    attached.release();
    expect(await merging).toMatchObject({ inserted: 2 });
    expect(await tables(database)).toEqual(['records_2_oda_sag r']);
  });

  it('keeps no reader waiting, not while it attaches what it has loaded either', async () => {
    const { database, claim } = await setUp();
    await partitionFor(database, 'oda/Sag');
    await mergeStaged(database, claim, options);
    const id = '20260101-000000-bbbb';
    const { claim: other } = await setUp({ beside: database, id, dataset: 'oda/Møde' });
    const read = () =>
      inTransaction(database.pool, async (client) => {
        await client.query(`set local lock_timeout = '2s'`);
        return (await client.query('select dataset, key from sheaf.records order by dataset, key')).rows.length;
      });
    const open = await openMerge(database, other, 'oda/Møde');
    expect(await read()).toBe(2);
    await open.commit();
    expect(await read()).toBe(4);
    const entity = { name: 'Akt', keyField: 'id', timestampField: null, fields: [], relations: [] };
    await ensureDataset(database, { name: 'oda/Akt', source: 'oda', entity, expected: 1 });
    await inTransaction(database.pool, async (client) => {
      await makePartition(client, 'oda/Akt');
      expect(await read()).toBe(4);
    });
  });
});
