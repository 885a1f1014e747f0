import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { odaSchema } from './oda-schema.ts';
import { parseRow } from './raw-json.ts';
import { inferSchema } from './schema.ts';
import { createTable, type Key, type KeyedRow, type Table } from './table.ts';
import type { TwinData } from './twin-data.ts';

const dataFile = /^(?<entity>.+)\.ndjson(?<gzip>\.gz)?$/;

/**
 * Data from a folder of `<Entity>.ndjson` and `<Entity>.ndjson.gz` files: one JSON object a line, in any order, served byte for byte.
 * Other files are passed over. Throws when the folder cannot be read or holds no such file.
 */
export function loadFolder(folder: string): TwinData {
  const schema = new Map(odaSchema);
  const tables = new Map<string, Table>();
  for (const name of readdirSync(folder)) {
    const parts = dataFile.exec(name)?.groups;
    if (parts?.['entity'] === undefined) continue;
    // A file name may come decomposed (o + stroke) from a foreign file system; URLs and metadata are composed.
    const entity = parts['entity'].normalize('NFC');
    const lines = readLines(join(folder, name), parts['gzip'] !== undefined);
    const entitySchema = schema.get(entity) ?? inferSchema(entity, lines.slice(0, 1000).map(parseRow));
    schema.set(entity, entitySchema);
    tables.set(
      entity,
      createTable(
        entitySchema,
        lines.map((line) => keyedLine(entitySchema.key, line)),
      ),
    );
  }
  if (tables.size === 0) throw new Error(`No <Entity>.ndjson or <Entity>.ndjson.gz in ${folder}.`);
  return { schema, table: (entity) => tables.get(entity) };
}

function readLines(file: string, isGzip: boolean): string[] {
  const bytes = readFileSync(file);
  const text = (isGzip ? gunzipSync(bytes) : bytes).toString('utf8');
  return text.split('\n').filter((line) => line.trim() !== '');
}

/** The key of a row is nearly always its first field, and reading only that is ten times as fast as parsing the row. */
function keyedLine(keyField: string, text: string): KeyedRow {
  const prefix = `{"${keyField}":`;
  const key = text.startsWith(prefix) ? leadingInteger(text, prefix.length) : null;
  return { key: key ?? slowKey(keyField, text), text };
}

function leadingInteger(text: string, from: number): number | null {
  let value = 0;
  for (let at = from; at < from + 12; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return at > from && (text[at] === ',' || text[at] === '}') ? value : null;
    value = value * 10 + digit;
  }
  return null;
}

function slowKey(keyField: string, text: string): Key | null {
  const value = parseRow(text)[keyField];
  return typeof value === 'number' || typeof value === 'string' || typeof value === 'bigint' ? value : null;
}
