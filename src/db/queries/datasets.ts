import pg from 'pg';
import { isStoreTrouble } from '../../domain/classify.ts';
import { UsageError } from '../../domain/errors.ts';
import type { Entity, Field, FieldType } from '../../domain/record.ts';
import { type Database, inTransaction } from '../database.ts';
import { eq } from '../drizzle.ts';
import { type DatasetRow, datasets } from '../schema.ts';

const { escapeIdentifier, escapeLiteral } = pg;

/** From this many records on, a new dataset's partition is split by hash of the key. */
const LARGE = 100_000;
const HASH_PARTITIONS = 8;

const POSTGRES_TYPES: Readonly<Record<FieldType, string>> = {
  boolean: 'boolean',
  smallint: 'smallint',
  integer: 'integer',
  bigint: 'bigint',
  numeric: 'numeric',
  double: 'double precision',
  text: 'text',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  date: 'date',
  uuid: 'uuid',
  json: 'jsonb',
};

interface DatasetFacts {
  readonly name: string;
  readonly source: string;
  readonly entity: Entity;
  /** What the source counted: decides, once, how the dataset is partitioned. */
  readonly expected: number | null;
}

/**
 * Makes sure that a dataset is known, has a partition of `records` and a typed view. Safe to run any number of times,
 * by several processes at once; metadata that changed replaces the view.
 */
export async function ensureDataset(database: Database, facts: DatasetFacts): Promise<void> {
  const known = await findDataset(database, facts.name);
  if (known !== undefined && isSame(known, facts.entity)) return;
  await inTransaction(database.pool, async (client) => {
    await client.query(`select pg_advisory_xact_lock(hashtextextended('sheaf dataset', 0))`);
    const id = await upsertDataset(client, facts);
    await createPartition(client, id, facts);
    await replaceView(client, facts);
  });
}

export async function findDataset({ orm }: Database, name: string): Promise<DatasetRow | undefined> {
  const rows = await orm.select().from(datasets).where(eq(datasets.name, name));
  return rows[0];
}

/** Throws a UsageError for a dataset that was never harvested. */
export async function getDataset(database: Database, name: string): Promise<DatasetRow> {
  const known = await findDataset(database, name);
  if (known !== undefined) return known;
  throw new UsageError(`${name} has not been harvested yet. Do that first: sheaf harvest ${name}`, {
    code: 'unknown-dataset',
    facts: { dataset: name },
  });
}

function isSame(known: DatasetRow, entity: Entity): boolean {
  return (
    known.keyField === entity.keyField &&
    JSON.stringify(known.fields.map(asTuple)) === JSON.stringify(entity.fields.map(asTuple))
  );
}

function asTuple({ name, type, isNullable }: Field): readonly unknown[] {
  return [name, type, isNullable];
}

async function upsertDataset(client: pg.PoolClient, { name, source, entity }: DatasetFacts): Promise<number> {
  const { rows } = await client.query<{ id: number }>(
    `insert into sheaf.datasets (name, source, entity, key_field, fields) values ($1, $2, $3, $4, $5)
     on conflict (name) do update set key_field = excluded.key_field, fields = excluded.fields, fields_at = now()
     returning id`,
    [name, source, entity.name, entity.keyField, JSON.stringify(entity.fields)],
  );
  if (rows[0] === undefined) throw new Error(`dataset ${name} was not written`);
  return rows[0].id;
}

/** Partitions are attached, not created in place: that locks out nobody who reads or merges other datasets. */
async function createPartition(client: pg.PoolClient, id: number, { name, expected }: DatasetFacts): Promise<void> {
  const partition = partitionName(id, name);
  const { rows } = await client.query('select to_regclass($1) is not null as exists', [`sheaf.${partition}`]);
  if (rows[0]?.exists === true) return;
  const isLarge = (expected ?? 0) >= LARGE;
  const value = escapeLiteral(name);
  await client.query(
    `create table sheaf.${partition} (like sheaf.records including all, check (dataset = ${value}))${isLarge ? ' partition by hash (key)' : ''}`,
  );
  for (let part = 0; isLarge && part < HASH_PARTITIONS; part++) {
    await client.query(
      `create table sheaf.${partition}_h${part} partition of sheaf.${partition} for values with (modulus ${HASH_PARTITIONS}, remainder ${part})`,
    );
  }
  await client.query(`alter table sheaf.records attach partition sheaf.${partition} for values in (${value})`);
}

/** e.g. `records_3_oda_akt_r`: the id makes it unique, the rest is for people. */
function partitionName(id: number, dataset: string): string {
  return `records_${id}_${dataset
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 40)}`;
}

/**
 * A view such as `oda."Sag"`: the metadata's fields with their types, over the rows that still exist at the source. A
 * view that somebody has built on, and that cannot be replaced as it stands, is left as it is: their work comes first,
 * and every field is in `data` all the same.
 */
async function replaceView(client: pg.PoolClient, { name, source, entity }: DatasetFacts): Promise<void> {
  const schema = escapeIdentifier(source);
  const view = `${schema}.${escapeIdentifier(entity.name)}`;
  const columns = entity.fields.map(columnOf).join(',\n  ');
  const where = `where dataset = ${escapeLiteral(name)} and deleted_at is null`;
  const create = `create or replace view ${view} as select\n  ${columns}\nfrom sheaf.records ${where}`;
  await client.query(`create schema if not exists ${schema}`);
  if (await succeeds(client, create)) return;
  await succeeds(client, `drop view ${view}; ${create}`);
}

/** Runs a statement that may fail without spoiling the transaction that it is part of. */
async function succeeds(client: pg.PoolClient, statement: string): Promise<boolean> {
  await client.query('savepoint attempt');
  try {
    await client.query(statement);
    return true;
  } catch (error) {
    if (isStoreTrouble(error)) throw error;
    await client.query('rollback to savepoint attempt');
    return false;
  }
}

function columnOf({ name, type }: Field): string {
  const value =
    type === 'json' ? `data -> ${escapeLiteral(name)}` : `(data ->> ${escapeLiteral(name)})::${POSTGRES_TYPES[type]}`;
  return `${value} as ${escapeIdentifier(name)}`;
}
