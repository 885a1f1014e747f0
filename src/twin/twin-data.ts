import { odaSchema } from './oda-schema.ts';
import { parseRow } from './raw-json.ts';
import { type EntitySchema, inferSchema, type Schema } from './schema.ts';
import { createTable, type Key, type KeyedRow, type Table } from './table.ts';

/**
 * What a twin serves: the sets of its metadata, and the rows of those that have some.
 * `table` answers undefined for a set without rows; it may compute them on the first call.
 */
export type TwinData = {
  readonly schema: Schema;
  readonly table: (entity: string) => Table | undefined;
};

/**
 * A row handed in by a test: an object, or JSON text that is served byte for byte.
 * `{ key, text }` gives the place of a row whose text does not tell it, because its key is missing or wrong on purpose.
 */
export type InlineRow = Readonly<Record<string, unknown>> | string | InlineRowAt;
export type InlineRowAt = { readonly key: Key | null; readonly text: string };

export type InlineOptions = {
  /** Schemas that replace or extend the real service's; a set in neither gets one guessed from its rows. */
  readonly schema?: readonly EntitySchema[];
};

/**
 * Data from rows written down in a test.
 * Throws a SyntaxError when the text of a row without a given key is not JSON.
 */
export function inlineData(
  rows: Readonly<Record<string, readonly InlineRow[]>>,
  options: InlineOptions = {},
): TwinData {
  const schema = new Map(odaSchema);
  for (const entity of options.schema ?? []) schema.set(entity.name, entity);
  const tables = new Map<string, Table>();
  for (const [name, entityRows] of Object.entries(rows)) {
    const entity = schema.get(name) ?? inferSchema(name, entityRows.map(parseInline));
    schema.set(name, entity);
    const keyed = entityRows.map((row) => keyedRow(entity, row));
    tables.set(name, createTable(entity, keyed));
  }
  return { schema, table: (entity) => tables.get(entity) };
}

/** The row as the table wants it: its text, and the key read from it unless it is given. */
export function keyedRow(schema: EntitySchema, row: InlineRow): KeyedRow {
  if (isRowAt(row)) return row;
  return { key: keyOf(parseInline(row)[schema.key]), text: typeof row === 'string' ? row : textOf(row) };
}

/** JSON text of a row; a bigint is written as a plain integer. */
function textOf(row: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(row, (_name, value: unknown) => (typeof value === 'bigint' ? rawInteger(value) : value));
}

/** `JSON.rawJSON` (Node 22 and later) is not in TypeScript's library for es2024. */
function rawInteger(value: bigint): unknown {
  const json = JSON as unknown as { rawJSON: (text: string) => unknown };
  return json.rawJSON(value.toString());
}

function keyOf(value: unknown): Key | null {
  return typeof value === 'number' || typeof value === 'string' || typeof value === 'bigint' ? value : null;
}

function parseInline(row: InlineRow): Readonly<Record<string, unknown>> {
  if (typeof row === 'string') return parseRow(row);
  return isRowAt(row) ? parseRow(row.text) : row;
}

function isRowAt(row: InlineRow): row is InlineRowAt {
  return typeof row === 'object' && Object.keys(row).length === 2 && 'key' in row && typeof row['text'] === 'string';
}
