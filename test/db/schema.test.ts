import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import * as schema from '../../src/db/schema.ts';
import { freshDatabase } from '../support/database.ts';

const tables = Object.values(schema) as PgTable[];

describe('schema.ts', () => {
  it.each(tables.map((table) => [getTableConfig(table).name, table] as const))(
    'says of %s what the migrations made',
    async (name, table) => {
      const { pool } = await freshDatabase();
      const { rows } = await pool.query<{ name: string; type: string; required: boolean }>(
        `select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as required
       from pg_attribute where attrelid = ('sheaf.' || $1)::regclass and attnum > 0 and not attisdropped`,
        [name],
      );
      const types: Record<string, string> = {
        'timestamp with time zone': 'timestamptz',
        'timestamp without time zone': 'timestamp',
      };
      const migrated = rows.map(({ name: column, type, required }) => ({
        column,
        type: types[type] ?? type,
        required,
      }));
      const described = getTableConfig(table).columns.map((column) => ({
        column: column.name,
        type: types[column.getSQLType()] ?? column.getSQLType(),
        required: column.notNull || column.primary || inKey(table, column.name),
      }));
      expect(described.toSorted(byColumn)).toEqual(migrated.toSorted(byColumn));
    },
  );
});

const byColumn = (a: { column: string }, b: { column: string }) => (a.column < b.column ? -1 : 1);

function inKey(table: PgTable, name: string): boolean {
  return getTableConfig(table).primaryKeys.some((key) => key.columns.some((column) => column.name === name));
}
