import pg from 'pg';

const { escapeLiteral } = pg;

/**
 * From this many records on, a dataset's partition is split by hash of the key. One table is indexed in half the time, and can
 * be filled by two processes.
 */
const LARGE = 10_000_000;
const HASH_PARTITIONS = 8;

/** The partition of `sheaf.records` that holds a dataset, or is to. */
export interface Partition {
  readonly dataset: string;
  /** With its schema. Needs no quotes. */
  readonly table: string;
  readonly exists: boolean;
  /** What the source counted when the dataset was first planned. */
  readonly expected: number | null;
}

export async function findPartition(client: pg.PoolClient, dataset: string): Promise<Partition> {
  const { rows } = await client.query<{ id: number; expected: number | null }>(
    'select id, expected from sheaf.datasets where name = $1',
    [dataset],
  );
  if (rows[0] === undefined) throw new Error(`dataset ${dataset} is not known`);
  const { id, expected } = rows[0];
  const table = `sheaf.${partitionName(id, dataset)}`;
  const found = await client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [table]);
  return { dataset, table, exists: found.rows[0]?.exists === true, expected };
}

export function isLarge(records: number): boolean {
  return records >= LARGE;
}

/**
 * Makes sure that records of a dataset can be written one by one, before any merge has loaded it. For whoever holds the lock
 * that merges of the dataset take.
 */
export async function makePartition(client: pg.PoolClient, dataset: string): Promise<void> {
  const partition = await findPartition(client, dataset);
  if (partition.exists) return;
  await createLike(client, partition, { isSplit: isLarge(partition.expected ?? 0), including: 'all' });
  await attachPartition(client, partition);
}

/** A table like `sheaf.records` for one dataset, not attached yet. */
export async function createLike(
  client: pg.PoolClient,
  { dataset, table }: Partition,
  { isSplit, including }: { readonly isSplit: boolean; readonly including: 'all' | 'all excluding indexes' },
): Promise<void> {
  const columns = `like sheaf.records including ${including}, check (dataset = ${escapeLiteral(dataset)})`;
  await client.query(`create table ${table} (${columns})${isSplit ? ' partition by hash (key)' : ''}`);
  for (let part = 0; isSplit && part < HASH_PARTITIONS; part++) {
    await client.query(
      `create table ${table}_h${part} partition of ${table} for values with (modulus ${HASH_PARTITIONS}, remainder ${part})`,
    );
  }
}

/**
 * Partitions are attached, not created in place: that locks out nobody who reads or merges other datasets. Of those that
 * attach one at the same time, the second waits until the first commits. Indexes that it lacks are made.
 */
export async function attachPartition(client: pg.PoolClient, { dataset, table }: Partition): Promise<void> {
  await client.query(`alter table sheaf.records attach partition ${table} for values in (${escapeLiteral(dataset)})`);
}

/** e.g. `records_3_oda_akt_r`: the id makes it unique, the rest is for people. */
function partitionName(id: number, dataset: string): string {
  return `records_${id}_${dataset
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 40)}`;
}
