import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parse } from 'csv-parse/sync';
import type { Ledger } from './ledger.ts';
import { DATASET, rowText, type SourceRow } from './source-rows.ts';

/** Whether the table holds exactly these rows, value by value: PostgreSQL's own comparison of jsonb, which is exact. */
export async function compareTable({ query }: Ledger, rows: readonly SourceRow[]): Promise<string[]> {
  const differences = await query<{ key: string; what: string }>(
    `select coalesce(s.key, r.key) as key,
            case when r.key is null then 'is missing' when s.key is null then 'is not in the source'
                 else 'differs from the source' end as what
     from unnest($1::text[], $2::text[]) as s (key, text)
     full join (select key, data from sheaf.records where dataset = $3 and deleted_at is null) r on r.key = s.key
     where s.key is null or r.key is null or r.data <> s.text::jsonb
     order by length(coalesce(s.key, r.key)), coalesce(s.key, r.key)`,
    [rows.map(({ id }) => String(id)), rows.map(rowText), DATASET],
  );
  const [first] = differences;
  return first === undefined ? [] : [`table: ${differences.length} rows are wrong; ${first.key} ${first.what}`];
}

export interface ExportRow {
  readonly format: string;
  readonly path: string;
  readonly records: number;
  readonly bytes: number;
  readonly sha256: string;
}

interface Manifest {
  readonly state: string;
  readonly files: readonly (Omit<ExportRow, 'path'> & { readonly name: string })[];
}

/** Whether a published file, its manifest and the ledger agree, and it holds exactly these rows. */
export async function compareExport(
  file: ExportRow,
  rows: readonly SourceRow[],
  select: readonly string[] | null,
): Promise<string[]> {
  const bytes = await readFile(file.path).catch(() => null);
  if (bytes === null) return [`${file.format}: ${file.path} is not there`];
  const manifest = JSON.parse(await readFile(join(dirname(file.path), 'manifest.json'), 'utf8')) as Manifest;
  const listed = manifest.files.find(({ name }) => name === basename(file.path));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const facts = { records: rows.length, bytes: bytes.length, sha256 };
  const problems: string[] = [];
  for (const [name, value] of Object.entries(facts)) {
    for (const [where, said] of [['ledger', file] as const, ['manifest', listed] as const]) {
      const found = said?.[name as keyof typeof facts];
      if (found !== value) problems.push(`${file.format}: ${name} is ${value}, and the ${where} says ${found}`);
    }
  }
  return [...problems, ...compareRecords(file.format, bytes.toString('utf8'), { rows, select })];
}

interface Wanted {
  readonly rows: readonly SourceRow[];
  readonly select: readonly string[] | null;
}

function compareRecords(format: string, text: string, { rows, select }: Wanted): string[] {
  const found = format === 'csv' ? csvRecords(text) : jsonRecords(format, text);
  const wanted = new Map(rows.map((row) => [String(row.id), spell(format, shown(row, select), select !== null)]));
  const seen = new Set<string>();
  for (const { key, record } of found) {
    const spelt = select !== null && format !== 'csv' ? sorted(record) : record;
    if (seen.has(key)) return [`${format}: ${key} is there twice`];
    if (wanted.get(key) !== spelt) return [`${format}: ${key} is ${spelt}, and the source has ${wanted.get(key)}`];
    seen.add(key);
  }
  const missing = [...wanted.keys()].find((key) => !seen.has(key));
  return missing === undefined ? [] : [`${format}: ${wanted.size - seen.size} records are missing, ${missing} first`];
}

/** The record as a request with this selection gets it: the key and the timestamp always come along. */
function shown(row: SourceRow, select: readonly string[] | null): SourceRow {
  if (select === null) return row;
  const names = ['id', 'opdateringsdato', ...select];
  return Object.fromEntries(Object.entries(row).filter(([name]) => names.includes(name))) as SourceRow;
}

function spell(format: string, row: SourceRow, isSelected: boolean): string {
  if (format !== 'csv') return isSelected ? sorted(rowText(row)) : rowText(row);
  const cells = Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]);
  return JSON.stringify(Object.fromEntries(cells.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1))));
}

/** With a selection the order of fields is the source's own affair. */
function sorted(text: string): string {
  return JSON.stringify(Object.entries(JSON.parse(text)).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function jsonRecords(format: string, text: string): { key: string; record: string }[] {
  if (format === 'json') JSON.parse(text);
  const lines = format === 'json' ? text.trimEnd().split('\n').slice(1, -1) : text.split('\n').slice(0, -1);
  return lines.map((line) => {
    const record = format === 'json' ? line.replace(/,$/, '') : line;
    return { key: String((JSON.parse(record) as { id: number }).id), record };
  });
}

function csvRecords(text: string): { key: string; record: string }[] {
  const rows = parse(text, {
    columns: true,
    cast: (value, { quoting, header }) => (header || quoting || value !== '' ? value : null),
  }) as Record<string, string | null>[];
  return rows.map((row) => {
    const cells = Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return { key: String(row['id']), record: JSON.stringify(Object.fromEntries(cells)) };
  });
}
