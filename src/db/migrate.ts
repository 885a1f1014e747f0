import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { OperatorError } from '../domain/errors.ts';
import { type Database, serverOf } from './database.ts';
import { drizzle, loadMigrator } from './drizzle.ts';

const FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url));
const LOCK = [7306, 0] as const; // class of Sheaf's advisory locks; 0 is no worker's id

interface Journal {
  readonly entries: readonly { readonly tag: string; readonly when: number }[];
}

/**
 * Brings the database to the newest schema, in one transaction, one process at a time. `alongside` runs on the same
 * connection under the same lock (the queue engine's own migrations). Returns the names of what was applied.
 */
export async function migrateDatabase(
  database: Database,
  alongside: (client: pg.PoolClient) => Promise<void>,
): Promise<string[]> {
  const client = await database.pool.connect();
  try {
    await client.query('select pg_advisory_lock($1, $2)', [...LOCK]);
    const before = await pendingMigrations(client);
    const config = { migrationsFolder: FOLDER, migrationsSchema: 'sheaf', migrationsTable: 'migrations' };
    if (before.length > 0) await loadMigrator().migrate(drizzle(client), config);
    await alongside(client);
    return before;
  } finally {
    await client.query('select pg_advisory_unlock($1, $2)', [...LOCK]).catch(() => undefined);
    client.release();
  }
}

/** The migrations that the database has not seen yet, by name. */
export async function pendingMigrations(client: pg.Pool | pg.PoolClient): Promise<string[]> {
  const exists = await client.query(`select to_regclass('sheaf.migrations') is not null as exists`);
  const applied =
    exists.rows[0]?.exists === true
      ? await client.query<{ newest: number | null }>('select max(created_at) as newest from sheaf.migrations')
      : null;
  const newest = Number(applied?.rows[0]?.newest ?? 0);
  return readJournal()
    .entries.filter((entry) => entry.when > newest)
    .map((entry) => entry.tag);
}

/** Throws an OperatorError that says what to do when the database is not at the newest schema. */
export async function requireMigrated(database: Database): Promise<void> {
  const pending = await pendingMigrations(database.pool);
  if (pending.length === 0) return;
  throw new OperatorError(
    `The database ${serverOf(database.url)} is not migrated (${pending.join(', ')} missing). Run \`sheaf db migrate\`.`,
    { code: 'database-not-migrated', facts: { pending: pending.join(',') } },
  );
}

function readJournal(): Journal {
  return JSON.parse(readFileSync(`${FOLDER}/meta/_journal.json`, 'utf8')) as Journal;
}
