import { type PackedRow, rowToText } from './packed-rows.ts';
import { parseRow } from './raw-json.ts';
import type { EntitySchema } from './schema.ts';

export type Key = number | string | bigint;

/**
 * The rows of one set, as the text that is served, in ascending order of their keys.
 * Everything else (columns, orderings, groups) is computed when a query first needs it, and forgotten when a row changes.
 * A null key belongs to a row without one: it stands first, as in SQL Server, and no comparison finds it.
 */
export type Table = {
  readonly schema: EntitySchema;
  readonly keys: (Key | null)[];
  /** Empty where rows are packed. */
  readonly rows: string[];
  readonly packed: ((index: number) => PackedRow) | null;
  readonly columns: Map<string, readonly unknown[]>;
  readonly orderings: Map<string, Uint32Array>;
  readonly groups: Map<string, ReadonlyMap<unknown, readonly number[]>>;
};

export type KeyedRow = { readonly key: Key | null; readonly text: string };

/** A table of rows in any order; rows with equal keys keep theirs. */
export function createTable(schema: EntitySchema, rows: readonly KeyedRow[]): Table {
  const isSorted = rows.every((row, index) => index === 0 || compareValues(rows[index - 1]?.key, row.key) <= 0);
  const sorted = isSorted ? rows : rows.toSorted((left, right) => compareValues(left.key, right.key));
  return sortedTable(
    schema,
    sorted.map((row) => row.key),
    sorted.map((row) => row.text),
  );
}

/** A table of rows that are in ascending order of their keys already; it takes both arrays over. */
export function sortedTable(schema: EntitySchema, keys: (Key | null)[], rows: string[]): Table {
  return { schema, keys, rows, packed: null, columns: new Map(), orderings: new Map(), groups: new Map() };
}

/** A table with the keys 1 to `count`, whose rows are made when they are asked for; the same each time. */
export function packedTable(schema: EntitySchema, count: number, packed: (index: number) => PackedRow): Table {
  const keys = Array.from({ length: count }, (_nothing, index) => index + 1);
  return { ...sortedTable(schema, keys, []), packed };
}

/** The text of the row at an index; undefined where there is none. */
export function rowTextAt({ keys, rows, packed }: Table, index: number): string | undefined {
  return packed !== null && index in keys ? rowToText(packed(index)) : rows[index];
}

/** Null before everything; then numbers and bigints by value, everything else as text. */
export function compareValues(left: unknown, right: unknown): number {
  if (left === right) return 0;
  if (left === null || left === undefined) return right === null || right === undefined ? 0 : -1;
  if (right === null || right === undefined) return 1;
  return (left as number) < (right as number) ? -1 : (left as number) > (right as number) ? 1 : 0;
}

/** The first index in the ascending `values` (seen through `at`) whose value is not below `value`; above it, if `isAfter`. */
export function lowerBound(
  length: number,
  at: (index: number) => unknown,
  bound: { value: unknown; isAfter: boolean },
): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareValues(at(middle), bound.value);
    if (order < 0 || (bound.isAfter && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the first row with this key, or -1. */
export function indexOfKey(table: Table, key: Key): number {
  const index = lowerBound(table.keys.length, (at) => table.keys[at], { value: key, isAfter: false });
  return index < table.keys.length && compareValues(table.keys[index], key) === 0 ? index : -1;
}

/** The values of a field, one a row; a missing field is null. */
export function columnOf(table: Table, field: string): readonly unknown[] {
  if (field === table.schema.key) return table.keys;
  const known = table.columns.get(field);
  if (known !== undefined) return known;
  // Equal strings are kept once: a timestamp that 80,000 rows share would otherwise be 80,000 strings.
  const interned = new Map<unknown, unknown>();
  const values = table.keys.map((_key, index) => {
    const value = parseRow(rowTextAt(table, index) ?? 'null')[field] ?? null;
    if (!interned.has(value)) interned.set(value, value);
    return interned.get(value);
  });
  table.columns.set(field, values);
  return values;
}

/** For each value of a field, the indexes of the rows that have it, ascending. */
export function groupsOf(table: Table, field: string): ReadonlyMap<unknown, readonly number[]> {
  const known = table.groups.get(field);
  if (known !== undefined) return known;
  const groups = new Map<unknown, number[]>();
  columnOf(table, field).forEach((value, index) => {
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [index]);
    else group.push(index);
  });
  table.groups.set(field, groups);
  return groups;
}

/** An order of the table's rows, computed once under its name by `make`. */
export function orderingOf(table: Table, name: string, make: () => Uint32Array): Uint32Array {
  const known = table.orderings.get(name);
  if (known !== undefined) return known;
  const ordering = make();
  table.orderings.set(name, ordering);
  return ordering;
}

/** A copy that can be changed without the original noticing. */
export function copyTable(table: Table): Table {
  const rows = table.keys.map((_key, index) => rowTextAt(table, index) ?? 'null');
  return sortedTable(table.schema, table.keys.slice(), rows);
}

/** Inserts the row, or replaces the one with its key. */
export function putRow(table: Table, row: KeyedRow): void {
  const key = row.key;
  const at = lowerBound(table.keys.length, (index) => table.keys[index], { value: key, isAfter: false });
  const isThere = key !== null && at < table.keys.length && compareValues(table.keys[at], key) === 0;
  table.keys.splice(at, isThere ? 1 : 0, key);
  table.rows.splice(at, isThere ? 1 : 0, row.text);
  forget(table);
}

/** Removes the row with this key; false when there is none. */
export function removeRow(table: Table, key: Key): boolean {
  const at = indexOfKey(table, key);
  if (at === -1) return false;
  table.keys.splice(at, 1);
  table.rows.splice(at, 1);
  forget(table);
  return true;
}

function forget(table: Table): void {
  table.columns.clear();
  table.orderings.clear();
  table.groups.clear();
}
