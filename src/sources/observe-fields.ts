import type { Drift } from '../domain/drift.ts';
import type { Field, FieldType } from '../domain/record.ts';
import { isRow } from './normalise.ts';
import type { SourceQuery } from './source.ts';

/** Of so many fields at most is something said for one page. */
const MOST_ON_A_PAGE = 50;

/** The fields of an entity, and the order in which its rows have them. */
interface Expected {
  readonly byName: ReadonlyMap<string, Field>;
  order: readonly Field[];
}

/** Compiled once for a query: a query lives as long as the work on a slice. */
const compiled = new WeakMap<SourceQuery, Expected>();

/**
 * In what the rows of a page differ from the metadata: fields that it does not know, fields that are missing, values of
 * another type. Each is told once, with the key of the first row that shows it. `isOwn` says which names are fields at
 * all: a source may write relations and notes of its own among them.
 *
 * Every row passes here, so a row that is as expected costs one walk over its fields in their order, and no more.
 */
export function observeFields(
  rows: readonly unknown[],
  query: SourceQuery,
  isOwn: (name: string) => boolean,
): readonly Drift[] {
  const expected = compiled.get(query) ?? compile(query);
  const isWhole = query.selection.select === null;
  const found = new Map<string, Drift>();
  for (const row of rows) {
    if (!isRow(row) || isAsExpected(row, expected.order)) continue;
    const key = String(row[query.entity.keyField] ?? '');
    const deviations = deviationsOf(row, expected, { isWhole, isOwn });
    for (const each of deviations) note(found, { ...each, key });
    if (deviations.length === 0) expected.order = inOrderOf(row, expected);
  }
  return [...found.values()];
}

/** The fields that the next row is expected to have, in their order: that of the metadata, or of rows that came since. */
export function expectedOrder(query: SourceQuery): readonly Field[] {
  return (compiled.get(query) ?? compile(query)).order;
}

function compile(query: SourceQuery): Expected {
  const fields = query.entity.fields.map((field) => ({ ...field, name: asKey(field.name), type: asKey(field.type) }));
  const expected = { byName: new Map(fields.map((field) => [field.name, field])), order: fields };
  compiled.set(query, expected);
  return expected;
}

/** The same text as the engine keeps it for names of properties: comparing two of those means comparing two addresses. */
function asKey<Text extends string>(text: Text): Text {
  return (Object.keys({ [text]: true })[0] ?? text) as Text;
}

function note(found: Map<string, Drift>, drift: Drift): void {
  const name = `${drift.kind} ${drift.field}`;
  if (!found.has(name) && found.size < MOST_ON_A_PAGE) found.set(name, drift);
}

/** `for … in` over rows that look alike is the fastest walk that the engine has; most values are told by `typeof` alone. */
function isAsExpected(row: Readonly<Record<string, unknown>>, order: readonly Field[]): boolean {
  let at = 0;
  for (const name in row) {
    const field = order[at++];
    if (field === undefined || field.name !== name) return false;
    const value = row[name];
    const { type } = field;
    if (value === null && field.isNullable) continue;
    if (type === 'text' && typeof value === 'string') continue;
    if (type === 'integer' && typeof value === 'number' && (value | 0) === value) continue;
    if (!fits(field, value)) return false;
  }
  return at === order.length;
}

type Deviation = Omit<Drift, 'key'>;

interface Judging {
  /** False where only some fields were asked for: none is missing then. */
  readonly isWhole: boolean;
  readonly isOwn: (name: string) => boolean;
}

function deviationsOf(
  row: Readonly<Record<string, unknown>>,
  { byName }: Expected,
  { isWhole, isOwn }: Judging,
): Deviation[] {
  const deviations: Deviation[] = [];
  for (const [name, value] of Object.entries(row)) {
    const field = byName.get(name);
    if (field === undefined && isOwn(name)) deviations.push(unlike('unknown-field', name, { is: kindOf(value) }));
    if (field !== undefined && !fits(field, value))
      deviations.push(unlike('other-type', name, { was: field.type, is: kindOf(value) }));
  }
  if (!isWhole) return deviations;
  for (const [name, { type }] of byName)
    if (!Object.hasOwn(row, name)) deviations.push(unlike('missing-field', name, { was: type }));
  return deviations;
}

function unlike(kind: Deviation['kind'], field: string, types: { was?: string; is?: string }): Deviation {
  return { kind, field, was: types.was ?? null, is: types.is ?? null };
}

/** Only fields: what the source adds of its own has no place in an order that every row must have. */
function inOrderOf(row: Readonly<Record<string, unknown>>, { byName }: Expected): readonly Field[] {
  return Object.keys(row).flatMap((name) => byName.get(name) ?? []);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'boolean') return 'boolean';
  return Number.isInteger(value) ? 'a whole number' : 'a number';
}

function fits(field: Field, value: unknown): boolean {
  return value === null ? field.isNullable : FITS[field.type](value);
}

const isWhole = (value: unknown, limit: number) =>
  typeof value === 'number' && Number.isInteger(value) && value >= -limit && value < limit;

/** Services write numbers that a double cannot hold as texts, and those that JSON does not have, too. */
const isNumeric = (value: unknown) =>
  typeof value === 'number' || (typeof value === 'string' && /^(?:-?\d[\d.eE+-]*|NaN|-?INF)$/.test(value));

/** Whether a text begins like a date of four-digit years: which date it is, the database finds out. */
const isDated = (value: unknown) =>
  typeof value === 'string' && value.length >= 10 && value.charCodeAt(4) === DASH && value.charCodeAt(7) === DASH;
const DASH = 0x2d;

const FITS: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  boolean: (value) => typeof value === 'boolean',
  smallint: (value) => isWhole(value, 2 ** 15),
  integer: (value) => isWhole(value, 2 ** 31),
  bigint: (value) => isWhole(value, 2 ** 63) || (typeof value === 'string' && /^-?\d{1,19}$/.test(value)),
  numeric: isNumeric,
  double: isNumeric,
  text: (value) => typeof value === 'string',
  timestamp: isDated,
  timestamptz: isDated,
  date: isDated,
  uuid: (value) => typeof value === 'string' && value.length === 36,
  json: () => true,
};
