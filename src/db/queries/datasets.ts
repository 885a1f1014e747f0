import { compareFields, type Drift } from '../../domain/drift.ts';
import { UsageError } from '../../domain/errors.ts';
import { nearest } from '../../domain/nearest.ts';
import type { Entity, Field } from '../../domain/record.ts';
import { type Database, inTransaction } from '../database.ts';
import { eq } from '../drizzle.ts';
import { type DatasetRow, datasets } from '../schema.ts';
import { noteDrift } from './drift.ts';

interface DatasetFacts {
  readonly name: string;
  readonly source: string;
  readonly entity: Entity;
  /** What the source counted: decides, once, how its records are partitioned. */
  readonly expected: number | null;
}

/** Makes sure that a dataset is known. Safe to run any number of times, at once too. */
export async function ensureDataset(database: Database, facts: DatasetFacts): Promise<void> {
  if ((await findDataset(database, facts.name)) !== undefined) return;
  const { name, source, entity, expected } = facts;
  await database.pool.query(
    `insert into sheaf.datasets (name, source, entity, key_field, fields, expected) values ($1, $2, $3, $4, $5, $6)
     on conflict (name) do nothing`,
    [name, source, entity.name, entity.keyField, JSON.stringify(entity.fields), expected],
  );
}

/**
 * Holds what the metadata say of an entity against what they said when its dataset was last planned, notes the drift with
 * a run, and, where it is accepted, goes by the new metadata from now on: both or neither. Of several that come at once
 * with the same metadata, one finds the drift. Returns it.
 */
export async function takeFields(
  database: Database,
  { run, dataset, entity, accepts, prefix = '' }: TakenFields,
): Promise<readonly Drift[]> {
  const known = await findDataset(database, dataset);
  if (known !== undefined && isSame(known, entity)) return [];
  return inTransaction(database.pool, async (client) => {
    const { rows } = await client.query<Pick<DatasetRow, 'keyField' | 'fields'>>(
      'select key_field as "keyField", fields from sheaf.datasets where name = $1 for update',
      [dataset],
    );
    if (rows[0] === undefined) throw new Error(`dataset ${dataset} is not known`);
    const found = compareFields(rows[0], entity).map((drift) => ({ ...drift, field: `${prefix}${drift.field}` }));
    await noteDrift(client, run, found);
    if (accepts || found.length === 0)
      await client.query('update sheaf.datasets set key_field = $2, fields = $3, fields_at = now() where name = $1', [
        dataset,
        entity.keyField,
        JSON.stringify(entity.fields),
      ]);
    return found;
  });
}

interface TakenFields {
  readonly run: string;
  readonly dataset: string;
  readonly entity: Entity;
  readonly accepts: boolean;
  /** Stands before the names of fields in the drift: tells a related entity's from the run's own. */
  readonly prefix?: string;
}

export async function findDataset({ orm }: Database, name: string): Promise<DatasetRow | undefined> {
  const rows = await orm.select().from(datasets).where(eq(datasets.name, name));
  return rows[0];
}

/** Throws a UsageError for a dataset that was never harvested. */
export async function getDataset(database: Database, name: string): Promise<DatasetRow> {
  const known = await findDataset(database, name);
  if (known !== undefined) return known;
  const like = nearest(name, await listDatasetNames(database));
  const advice = like === undefined ? 'Do that first' : `Did you mean ${like}? If not, harvest it first`;
  throw new UsageError(`${name} has not been harvested yet. ${advice}: sheaf harvest ${name}`, {
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

/** The names of all datasets, the oldest first. */
export async function listDatasetNames({ pool }: Database): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>('select name from sheaf.datasets order by id');
  return rows.map(({ name }) => name);
}
