import pg from 'pg';
import { analyze } from './analyze.ts';
import { createLike, findPartition, isLarge, type Partition } from './partitions.ts';

const { escapeLiteral } = pg;

/** What is merged into one dataset. */
export interface Part {
  readonly run: string;
  readonly dataset: string;
  readonly at: string;
  /** The table that holds the rows. */
  readonly table: string;
  /** A query of those rows of it that count, each key once; see `placesOf`. */
  readonly places: string;
  /** All rows of the table count. */
  readonly isWhole: boolean;
  /** How many rows count, at most. */
  readonly records: number;
}

/** Partitions that a merge has filled and not attached yet, by dataset. */
export type Loaded = Map<string, Partition>;

/**
 * Writes the records of a dataset that has none: there is nothing to compare with. Where it has no partition either, one is
 * filled before it is attached: by two processes, indexed when it is full, and, with wal_level=minimal, without WAL. It
 * is put to `loaded`, for whoever attaches it; nobody sees it until then.
 */
export async function writeAll(client: pg.PoolClient, part: Part, loaded: Loaded): Promise<number> {
  const { dataset } = part;
  // First what one process does alone: the files take up the other core meanwhile, and are done the sooner when both fill.
  await noteInserts(client, part);
  const partition = loaded.get(dataset) ?? (await findPartition(client, dataset));
  const inserted = partition.exists
    ? await insertAll(client, part, loaded.get(dataset)?.table ?? 'sheaf.records')
    : await load(client, part, partition);
  if (!partition.exists) loaded.set(dataset, { ...partition, exists: true });
  return inserted;
}

/** In the order of the index that they go into, which then grows at its end only. */
async function noteInserts(client: pg.PoolClient, { run, dataset, places, at }: Part): Promise<void> {
  await client.query(
    `insert into sheaf.changes (at, dataset, key, kind, run_id)
     select $2, $1, key, 'insert', $3 from (${places}) as s order by key`,
    [dataset, at, run],
  );
}

const COLUMNS = 'dataset, key, data, hash, source_timestamp, first_seen_at, changed_at, deleted_at';

/** The rows of `sheaf.records` that a part comes to. ($1 dataset, $2 moment) */
function recordsOf({ table, places, isWhole }: Part): string {
  const rows = isWhole ? `${table} s` : `(${places}) p join ${table} s on s.ctid = p.place`;
  return `select $1::text as dataset, s.key, s.record::jsonb as data, s.hash, s.source_timestamp,
                 $2::timestamptz as first_seen_at, $2::timestamptz as changed_at, null::timestamptz as deleted_at from ${rows}`;
}

async function insertAll(client: pg.PoolClient, part: Part, into: string): Promise<number> {
  const { rowCount } = await client.query(`insert into ${into} (${COLUMNS}) ${recordsOf(part)}`, [
    part.dataset,
    part.at,
  ]);
  return rowCount ?? 0;
}

async function load(client: pg.PoolClient, part: Part, partition: Partition): Promise<number> {
  // One more process, and no more: it is with one that two cores come to an end first, the files written beside it included.
  await client.query('set local max_parallel_workers_per_gather = 1');
  const isSplit = isLarge(Math.max(partition.expected ?? 0, part.records));
  const records = isSplit ? await fillSplit(client, part, partition) : await fill(client, part, partition);
  await buildIndexes(client, partition);
  // Else the next run, if it comes soon, takes them for few, and looks them up in the index first.
  await analyze(client, partition.table, 'dataset, key, hash, source_timestamp, changed_at, deleted_at');
  await client.query('set local max_parallel_workers_per_gather to default');
  return records;
}

/** Only a table that is made from a query is filled by more than one process. What a partition must promise is looked over at once. */
async function fill(client: pg.PoolClient, part: Part, { table }: Partition): Promise<number> {
  await client.query('set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0');
  const { rowCount } = await client.query(`create table ${table} as ${recordsOf(part)}`, [part.dataset, part.at]);
  await client.query('set local parallel_setup_cost to default; set local parallel_tuple_cost to default');
  const required = ['dataset', 'key', 'data', 'hash', 'first_seen_at', 'changed_at'];
  await client.query(
    `alter table ${table} ${required.map((column) => `alter ${column} set not null, `).join('')}
       add check (dataset = ${escapeLiteral(part.dataset)})`,
  );
  return rowCount ?? 0;
}

async function fillSplit(client: pg.PoolClient, part: Part, partition: Partition): Promise<number> {
  await createLike(client, partition, { isSplit: true, including: 'all excluding indexes' });
  return insertAll(client, part, partition.table);
}

/** Sorted by parts, by one process: a second one, or memory for all of it, gains nothing that counts, and takes more the more records there are. */
const SORTED_BY_PARTS = `set local max_parallel_maintenance_workers = 0; set local maintenance_work_mem = '8MB'`;

/** Those of sheaf.records. One that is missing here is made when the partition is attached, while others wait for it. */
async function buildIndexes(client: pg.PoolClient, { table }: Partition): Promise<void> {
  const { rows } = await client.query<{ making: string }>(
    `select case when indisprimary then format('alter table %s add %s', $1::text, pg_get_constraintdef(c.oid))
                 else format('create %s on %s%s', case when indisunique then 'unique index' else 'index' end, $1::text,
                             substring(pg_get_indexdef(indexrelid) from ' USING .*')) end as making
     from pg_index left join pg_constraint c on c.conindid = indexrelid and c.contype = 'p'
     where indrelid = 'sheaf.records'::regclass order by indisprimary desc, indexrelid`,
    [table],
  );
  await client.query(`
    ${SORTED_BY_PARTS};
    ${rows.map(({ making }) => `${making};`).join(' ')}
    set local max_parallel_maintenance_workers to default; set local maintenance_work_mem to default`);
}
