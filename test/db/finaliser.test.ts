import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { mergeStaged } from '../../src/db/queries/merge.ts';
import { readStaged } from '../../src/db/queries/records.ts';
import { refetchSlices, rereadSlices } from '../../src/db/queries/refetch.ts';
import {
  beginFinalising,
  cancelRun,
  claimFinalise,
  endFinalised,
  getRun,
  holdsClaim,
  postponeFinalise,
  saveProof,
} from '../../src/db/queries/runs.ts';
import { listSlices, sliceTotals } from '../../src/db/queries/slices.ts';
import { stagedBySlice } from '../../src/db/queries/staging.ts';
import type { Proof } from '../../src/domain/proof.ts';
import type { NormalisedRecord } from '../../src/domain/record.ts';
import { textsOf } from '../../src/domain/record-lines.ts';

import { partitionFor } from '../support/partition.ts';
import { claimed, deadWorker, livingWorker, page, record, setUpRun, stage } from './setup.ts';

/** Two claims of one finalisation, the first of them out of date; one row is staged. */
async function setUpStale() {
  const { database, run } = await setUpRun();
  for (const slice of [1, 2]) {
    const claim = await claimed(database, run, slice, await livingWorker(database));
    await stage(database, claim, page([slice], { isLast: true, cursor: slice * 100 }));
  }
  await beginFinalising(database, run);
  const job = { run, generation: 1 };
  const stale = await claimFinalise(database, job, await deadWorker(database));
  const current = await claimFinalise(database, job, await livingWorker(database));
  if (stale === undefined || current === undefined) throw new Error('not claimed');
  return { database, run, stale, current };
}

const merge = {
  dataset: 'oda/Sag',
  entity: { keyField: 'id', timestampField: null },
  rows: { distinctKeys: 2, hasDuplicates: false },
  writesContent: true,
  ranges: null,
  marksDeleted: false,
  missing: 0,
};

describe('a finaliser that another has followed', () => {
  it('merges nothing, ends nothing and sends nothing back', async () => {
    const { database, run, stale, current } = await setUpStale();
    expect(await mergeStaged(database, stale, merge)).toBeUndefined();
    expect(await endFinalised(database, stale, { state: 'complete', reason: null })).toBe(false);
    expect(await refetchSlices(database, stale, [1, 2])).toBe(false);
    expect([await holdsClaim(database, stale), await holdsClaim(database, current)]).toEqual([false, true]);
    expect(await saveProof(database, stale, { holds: true } as Proof)).toBe(false);
    const grown = { after: 0, upto: 300 };
    const reread = { slices: [1], added: [{ after: 200, upto: 300 }], span: grown, expected: 9 };
    expect(await rereadSlices(database, stale, reread)).toBe(false);
    expect(await postponeFinalise(database, stale, { waitMs: 0, patienceMs: 60_000 })).toBe(false);
    expect((await stagedBySlice(database, run)).size).toBe(2);
    expect(await getRun(database, run)).toMatchObject({
      ...{ state: 'finalising', span: { after: 0, upto: 200 }, sliceCount: 2, expected: 4 },
      ...{ rereads: 0, isExtended: false, unansweredSince: null },
    });
    expect(await mergeStaged(database, current, merge)).toMatchObject({ inserted: 2 });
    expect(await endFinalised(database, current, { state: 'complete', reason: null })).toBe(true);
  });

  it('does not touch a run that has ended meanwhile', async () => {
    const { database, run, stale, current } = await setUpStale();
    await mergeStaged(database, current, merge);
    await endFinalised(database, current, { state: 'complete', reason: null });
    expect(await refetchSlices(database, stale, [1, 2])).toBe(false);
    expect(await sliceTotals(database, run)).toMatchObject({ open: 0, records: 2 });
  });

  it('sends slices back, and adds some, in one step that is there or not', async () => {
    const { database, run, current } = await setUpStale();
    const added = [
      { after: 200, upto: 250 },
      { after: 250, upto: 300 },
    ];
    await rereadSlices(database, current, { slices: [1], added, span: { after: 0, upto: 300 }, expected: 9 });
    expect(await getRun(database, run)).toMatchObject({
      ...{ state: 'fetching', span: { after: 0, upto: 300 }, sliceCount: 4, expected: 9, countBefore: 4 },
      ...{ rereads: 1, rereadSlices: 1, isExtended: true, finaliser: null },
    });
    const slices = await listSlices(database, run, ['pending', 'done']);
    expect(slices.map(({ number, span, state }) => [number, span.after, span.upto, state])).toEqual([
      [1, 0, 100, 'pending'],
      [2, 100, 200, 'done'],
      [3, 200, 250, 'pending'],
      [4, 250, 300, 'pending'],
    ]);
    expect([...(await stagedBySlice(database, run)).keys()]).toEqual([2]);
  });

  it('merges once a generation, and reports the same counts when asked again', async () => {
    const { database, current } = await setUpStale();
    const first = await mergeStaged(database, current, merge);
    expect(await mergeStaged(database, current, merge)).toEqual(first);
  });
});

describe('a merge of overlapping pages', () => {
  const version = (text: string, hash: string): NormalisedRecord => ({
    ...record(1),
    json: Buffer.from(text),
    hash: hash.repeat(32),
  });
  const overlapping = { ...merge, rows: { distinctKeys: 1, hasDuplicates: true } };

  it.each([
    { into: 'an empty table', known: [] as string[], counts: { inserted: 1, updated: 0 } },
    { into: 'a table that has the record', known: ['{"id":1,"n":0}'], counts: { inserted: 0, updated: 1 } },
  ])('takes the last one staged into $into', async ({ known, counts }) => {
    const { database, run } = await setUpRun();
    if (known.length > 0) await partitionFor(database, 'oda/Sag');
    for (const data of known)
      await database.pool.query(
        `insert into sheaf.records (dataset, key, data, hash, first_seen_at, changed_at)
         values ('oda/Sag', '1', $1, gen_random_uuid(), '2020-01-01', '2020-01-01')`,
        [data],
      );
    const worker = await livingWorker(database);
    const claim = await claimed(database, run, 1, worker);
    await stage(database, claim, { ...page([1]), records: [version('{"id":1,"n":1}', 'a')] });
    const records = [version('{"id":1,"n":2}', 'b')];
    await stage(database, claim, { ...page([1], { isLast: true, cursor: 100 }), records });
    const other = await claimed(database, run, 2, worker);
    await stage(database, other, page([], { isLast: true, cursor: 200 }));
    await beginFinalising(database, run);
    const finalising = (await claimFinalise(database, { run, generation: 1 }, worker)) ?? expect.fail();
    expect(await mergeStaged(database, finalising, overlapping)).toMatchObject(counts);
    const { rows } = await database.pool.query(`select data ->> 'n' as n from sheaf.records`);
    expect(rows).toEqual([{ n: '2' }]);
    for await (const lines of readStaged(database, run, { hasDuplicates: true }))
      expect(textsOf(lines)).toEqual(['{"id":1,"n":2}']);
  });
});

describe('a merge beside files that are written', () => {
  it('is not seen before they are, and fails with them', async () => {
    const { database, run, current } = await setUpStale();
    const files = Promise.withResolvers<void>();
    const merging = mergeStaged(database, current, { ...merge, ready: files.promise });
    merging.catch(() => undefined);
    await expect.poll(() => openMerges(database)).toBe(1);
    expect(await recordsOf(database)).toBe(0);
    files.reject(new Error('the disk is full'));
    await expect(merging).rejects.toThrow('the disk is full');
    expect(await recordsOf(database)).toBe(0);
    expect((await getRun(database, run)).mergedGeneration).toBe(0);
    expect(await mergeStaged(database, current, { ...merge, ready: Promise.resolve() })).toMatchObject({ inserted: 2 });
    expect(await recordsOf(database)).toBe(2);
  });

  it('lets the run be cancelled meanwhile, and is rolled back then', async () => {
    const { database, run, current } = await setUpStale();
    const files = Promise.withResolvers<void>();
    const merging = mergeStaged(database, current, { ...merge, ready: files.promise });
    await expect.poll(() => openMerges(database)).toBe(1);
    expect(await cancelRun(database, run)).toBe('cancelled');
    files.resolve();
    expect(await merging).toBeUndefined();
    expect(await recordsOf(database)).toBe(0);
  });

  it('lets go of its dataset soon after it was cancelled, however long the files take', async () => {
    const { database, run, current } = await setUpStale();
    const merging = mergeStaged(database, current, { ...merge, ready: new Promise(() => undefined) });
    await expect.poll(() => openMerges(database)).toBe(1);
    await cancelRun(database, run);
    expect(await merging).toBeUndefined();
    expect(await openMerges(database)).toBe(0);
  }, 20_000);

  it('does not begin when the files have failed already', async () => {
    const { database, current } = await setUpStale();
    const ready = Promise.reject(new Error('the disk is full'));
    ready.catch(() => undefined);
    const before = await writtenRows(database);
    await expect(mergeStaged(database, current, { ...merge, ready })).rejects.toThrow('the disk is full');
    expect(await writtenRows(database)).toBe(before);
  });

  it('is past being cancelled when it is done', async () => {
    const { database, run, current } = await setUpStale();
    expect(await mergeStaged(database, current, merge)).toMatchObject({ inserted: 2 });
    expect(await cancelRun(database, run)).toBe('publishing');
  });
});

/** Transactions that have written and wait. */
async function openMerges({ pool }: Database): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*) from pg_stat_activity
     where datname = current_database() and state = 'idle in transaction' and backend_xid is not null`,
  );
  return rows[0]?.count ?? 0;
}

/** Changes that were ever noted, those of transactions that were rolled back too. */
async function writtenRows({ pool }: Database): Promise<number> {
  await pool.query('select pg_stat_force_next_flush()');
  const { rows } = await pool.query<{ count: number }>(
    `select coalesce(sum(n_tup_ins), 0)::bigint as count from pg_stat_user_tables where relname like 'changes%'`,
  );
  return rows[0]?.count ?? 0;
}

async function recordsOf({ pool }: Database): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('select count(*) from sheaf.records');
  return rows[0]?.count ?? 0;
}
