import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import pg from 'pg';

/**
 * What a dataset's table and files hold, read without any of Sheaf's own code, as key → canonical JSON text. Values are
 * compared through JSON.parse here; tests about numbers beyond 2^53 compare texts themselves.
 */
export async function tableContent(url: string, dataset: string): Promise<Map<string, string>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ key: string; data: string }>(
    `select key, data::text from sheaf.records where dataset = $1 and deleted_at is null`,
    [dataset],
  );
  await client.end();
  return new Map(rows.map(({ key, data }) => [key, canonical(JSON.parse(data))]));
}

export async function ndjsonContent(path: string): Promise<Map<string, string>> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  return contentOf(lines.map((line) => JSON.parse(line) as Row));
}

export async function jsonContent(path: string): Promise<Map<string, string>> {
  return contentOf(JSON.parse(await readFile(path, 'utf8')) as Row[]);
}

/** CSV has no types: every value is compared as the text that it stands for, and null as an empty unquoted field. */
export async function csvContent(path: string): Promise<Map<string, string>> {
  const rows = parse(await readFile(path, 'utf8'), {
    columns: true,
    cast: (value, { quoting, header }) => (header || quoting || value !== '' ? value : null),
  }) as Record<string, string | null>[];
  return new Map(rows.map((row) => [String(row['id']), canonical(row)]));
}

/** Rows as CSV should give them back. */
export function asCsv(rows: readonly Row[]): Map<string, string> {
  const text = (value: unknown) => (value === null || value === undefined ? null : String(value));
  return new Map(
    rows.map((row) => [
      String(row['id']),
      canonical(Object.fromEntries(Object.entries(row).map(([k, v]) => [k, text(v)]))),
    ]),
  );
}

export type Row = Readonly<Record<string, unknown>>;

export function contentOf(rows: readonly Row[]): Map<string, string> {
  const content = new Map(rows.map((row) => [String(row['id']), canonical(row)]));
  if (content.size !== rows.length) throw new Error(`${rows.length - content.size} rows share a key`);
  return content;
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function canonical(row: unknown): string {
  return JSON.stringify(row, (_key, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
