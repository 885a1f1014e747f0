import { type Database, inTransaction } from '../database.ts';
import { readTexts } from '../read-texts.ts';
import { KEY_ORDER } from './records.ts';

/** How many rows of a stream are read at a time: several streams may be under way. */
const STREAM_ROWS = 500;

/** Which records of a dataset are meant; null for no condition. */
export interface RecordFilter {
  readonly dataset: string;
  readonly keys: readonly string[] | null;
  /** Written, or deleted, at this time or later. */
  readonly changedSince: Date | null;
  /** Contained in one of the record's values, whatever the case of its letters. */
  readonly text: string | null;
  /** Whether records count that are gone from the source. */
  readonly deleted: 'without' | 'with' | 'only';
  /** Only records behind this key in the order of keys, numbers as numbers. */
  readonly after: string | null;
  /** Null: all of them. */
  readonly limit: number | null;
}

/** A record, and what Sheaf knows of it. Its data are JSON text, which nobody must parse who hands it on: numbers would suffer. */
export interface BrowsedRecord {
  readonly key: string;
  readonly data: string;
  /** As the source wrote it, without a zone. */
  readonly sourceTimestamp: string | null;
  readonly firstSeenAt: Date;
  readonly changedAt: Date;
  readonly deletedAt: Date | null;
}

/** Records in the order of their keys. `fields` narrows their data; null for all. */
export async function pageOfRecords(
  { pool }: Pick<Database, 'pool'>,
  filter: RecordFilter,
  fields: readonly string[] | null,
): Promise<BrowsedRecord[]> {
  const { where, values, parameter } = conditions(filter);
  const query = `
    select key, ${dataOf(fields, parameter)} as data, to_jsonb(source_timestamp) #>> '{}' as "sourceTimestamp",
           first_seen_at as "firstSeenAt", changed_at as "changedAt", deleted_at as "deletedAt"
    from sheaf.records ${where}`;
  return inTransaction(pool, async (client) => {
    // A page follows the order of keys and ends early; of a text that many records hold the planner does not know that
    // they are many, and would look through all of them first.
    if (filter.text !== null && filter.changedSince === null) await client.query('set local enable_sort = off');
    return (await client.query<BrowsedRecord>(query, values)).rows;
  });
}

/** The data of records in the order of their keys, some at a time, as JSON texts. */
export function streamRecords(
  database: Pick<Database, 'pool'>,
  filter: RecordFilter,
  fields: readonly string[] | null,
): AsyncGenerator<string[]> {
  const { where, values, parameter } = conditions(filter);
  const query = `select ${dataOf(fields, parameter)} as text from sheaf.records ${where}`;
  return readTexts(database, query, values, STREAM_ROWS);
}

type Parameter = (value: unknown) => string;

function conditions(filter: RecordFilter): { where: string; values: unknown[]; parameter: Parameter } {
  const values: unknown[] = [];
  const parameter: Parameter = (value) => `$${values.push(value)}`;
  const { dataset, keys, changedSince, text, deleted, after, limit } = filter;
  const all = [`dataset = ${parameter(dataset)}`];
  if (keys !== null) all.push(`key = any(${parameter(keys)}::text[])`);
  if (changedSince !== null) all.push(`coalesce(deleted_at, changed_at) >= ${parameter(changedSince)}`);
  if (text !== null) all.push(contains(text, parameter));
  if (deleted !== 'with') all.push(deleted === 'only' ? 'deleted_at is not null' : 'deleted_at is null');
  if (after !== null) {
    const key = parameter(after);
    all.push(`(${KEY_ORDER}) > (length(${key}::text), ${key}::text)`);
  }
  const end = limit === null ? '' : ` limit ${parameter(limit)}::bigint`;
  return { where: `where ${all.join(' and ')} order by ${KEY_ORDER}${end}`, values, parameter };
}

/**
 * The whole JSON text is looked through first, which is quick, and then the values one by one: names of fields must not
 * be found. In JSON a value's text stands as `JSON.stringify` writes it.
 */
function contains(text: string, parameter: Parameter): string {
  const inJson = parameter(likePattern(JSON.stringify(text).slice(1, -1)));
  const inValue = parameter(likePattern(text));
  return `data::text ilike ${inJson}
    and exists (select from jsonb_each_text(data) as field where field.value ilike ${inValue})`;
}

/** A pattern that finds the text as it is: LIKE's own signs are escaped. */
function likePattern(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;
}

/** PostgreSQL picks the fields: digits stay as they are. */
function dataOf(fields: readonly string[] | null, parameter: Parameter): string {
  if (fields === null) return 'data::text';
  return `coalesce((select jsonb_object_agg(field, data -> field) from unnest(${parameter(fields)}::text[]) as field
                    where data ? field), '{}')::text`;
}
