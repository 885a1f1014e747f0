import { createRequire } from 'node:module';
import { isRawNumber } from '../domain/json-text.ts';
import type { RecordLines } from '../domain/record-lines.ts';
import type { Fields } from './exporter.ts';
import { parseFields } from './parse-fields.ts';

// As CommonJS, where it is one file instead of eight.
const { stringify } = createRequire(import.meta.url)('csv-stringify/sync') as typeof import('csv-stringify/sync');

// The pattern quotes empty strings, and only these: null never gets as far as being matched.
const options = { header: false, quoted_match: [/^$/] };

/** The first line of CSV. */
export function csvHeader(columns: readonly string[]): string {
  return stringify([[...columns]], options);
}

/** The lines of CSV for any records from one place among them up to, and without, another. Throws `BadRecord`. */
export function csvRows(
  records: RecordLines,
  columns: readonly string[],
  [from, to]: readonly [number, number],
): string {
  const rows: (string | null)[][] = [];
  for (let index = from; index < to; index++) rows.push(cells(parseFields(records, index), columns));
  // Together, because each call reads its options anew; as arrays, because names with a dot would be taken for paths.
  return stringify(rows, options);
}

function cells(fields: Fields, columns: readonly string[]): (string | null)[] {
  const row: (string | null)[] = [];
  // A column that is called like something every object inherits (constructor) is still missing where the record has no such field.
  for (const column of columns) row.push(Object.hasOwn(fields, column) ? cell(fields[column]) : null);
  return row;
}

function cell(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return null;
  if (typeof value !== 'object') return String(value);
  return isRawNumber(value) ? value.rawJSON : JSON.stringify(value);
}
