import { stringify } from 'csv-stringify/sync';
import { isRawNumber } from '../domain/json-text.ts';
import type { Exporter, Fields, RecordEncoder } from './exporter.ts';
import { parseFields } from './parse-fields.ts';

/**
 * RFC 4180 with a header, but with line feeds as record ends, in UTF-8 without a byte order mark. Fields that are not in `columns` are left out.
 *
 * null, and a field that a record does not have, are empty without quotes; the empty string is `""`. Readers that heed quotes (PostgreSQL's COPY, DuckDB) can so
 * tell them apart. Numbers keep their digits, nested values are JSON text, strings are as they are. Half a surrogate pair cannot be written in UTF-8, and
 * becomes U+FFFD; the JSON formats keep it as an escape.
 */
export const csvExporter: Exporter = { format: 'csv', extension: 'csv', open };

// The pattern quotes empty strings, and only these: null never gets as far as being matched.
const options = { header: false, quoted_match: [/^$/] };

function open(columns: readonly string[]): RecordEncoder {
  return {
    begin: () => stringify([[...columns]], options),
    // Batches, because each call reads its options anew; arrays, because names with a dot would be taken for paths.
    encode: (records) =>
      stringify(
        records.ends.map((_end, index) => cells(parseFields(records, index), columns)),
        options,
      ),
    end: () => '',
  };
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
