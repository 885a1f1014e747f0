import { describe, expect, it } from 'vitest';
import { makeEditions } from '../../bench/records.ts';
import { DATASET, ENTITY, stageRun } from '../../bench/staged-run.ts';
import { checkVariant, expectedOf, leaveOut, readDisk, type Variant, variants } from '../../bench/variants.ts';
import type { Database } from '../../src/db/database.ts';
import { ensureDataset } from '../../src/db/queries/datasets.ts';
import { mergeStaged } from '../../src/db/queries/merge.ts';
import { freshDatabase } from '../support/database.ts';

const ROWS = 700; // more than a page
const { first, edited } = makeEditions(ROWS);
const RUN = 'bench-cold';

async function setUp(variant: Variant): Promise<Database> {
  const database = await freshDatabase();
  await leaveOut(database, variant);
  const dataset = { name: DATASET, source: 'oda', entity: ENTITY, expected: expectedOf(variant, ROWS) };
  await ensureDataset(database, dataset);
  return database;
}

async function merge(database: Database, run: string, data = first) {
  const claim = await stageRun(database, { run, rows: ROWS, data });
  const rows = { distinctKeys: ROWS, hasDuplicates: false };
  const rest = { writesContent: true, marksDeleted: true, missing: 0, ranges: null };
  return mergeStaged(database, claim, { dataset: DATASET, entity: ENTITY, rows, ...rest });
}

describe('a variant of the database', () => {
  it.each(variants)('is merged with its parts and no others: $name', async (variant) => {
    const database = await setUp(variant);
    expect(await merge(database, RUN)).toMatchObject({ inserted: ROWS });
    await checkVariant(database, variant, { run: RUN, changed: ROWS });
    expect(await merge(database, 'bench-changed', edited)).toMatchObject({ updated: 7, unchanged: ROWS - 7 });
    await checkVariant(database, variant, { run: 'bench-changed', changed: 7 });
    for (const part of ['log', 'by key', 'by time', 'split'] as const) {
      const other = { ...variant, parts: new Set([...variant.parts].filter((each) => each !== part)) };
      if (!variant.parts.has(part)) other.parts.add(part);
      await expect(checkVariant(database, other, { run: RUN, changed: ROWS })).rejects.toThrow(`${variant.name}: `);
    }
  });

  it('without a log does not even put together what would be noted', async () => {
    const [bare, withLog] = variants as [Variant, Variant];
    const note = `explain insert into sheaf.changes (at, dataset, key, kind, run_id)
                  select now(), 'oda/Sag', key, 'insert', 'x' from sheaf.staging order by key`;
    const plan = async (variant: Variant) =>
      (await (await setUp(variant)).pool.query<{ 'QUERY PLAN': string }>(note)).rows
        .map((row) => row['QUERY PLAN'])
        .join('\n');
    expect(await plan(withLog)).toContain('staging');
    expect(await plan(bare)).not.toContain('staging');
  });

  it('takes as much room on the disk as its parts do', async () => {
    const [bare, , byKey, , split, shipped] = variants as [Variant, Variant, Variant, Variant, Variant, Variant];
    const disks = [];
    for (const variant of [bare, byKey, split, shipped]) {
      const database = await setUp(variant);
      await merge(database, RUN);
      disks.push(await readDisk(database));
    }
    const [ofBare, ofByKey, ofSplit, ofShipped] = disks;
    expect(ofBare?.records).toBeGreaterThan(ROWS * 1_000);
    expect(ofByKey?.indexes).toBeGreaterThan(ofBare?.indexes ?? 0);
    expect(ofSplit?.indexes).toBeGreaterThan(ofBare?.indexes ?? 0);
    expect(ofShipped?.log).toBeGreaterThan((ofBare?.log ?? 0) + ROWS * 50);
  });
});
