import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../src/db/database.ts';
import { withDatabase } from './global-setup.ts';

/** The URL of a fresh database from the migrated template; dropped when the test has finished. */
export async function freshDatabaseUrl(): Promise<string> {
  const server = inject('postgresUrl');
  const name = `sheaf_t${randomBytes(6).toString('hex')}`;
  // Copying files is several times as fast as writing a whole database into the log.
  await asAdministrator(server, `create database ${name} template sheaf_template strategy file_copy`);
  await asAdministrator(
    withDatabase(server, name),
    'update sheaf.installation set id = substr(md5(gen_random_uuid()::text), 1, 8)',
  );
  onTestFinished(() => asAdministrator(server, `drop database if exists ${name} with (force)`));
  return withDatabase(server, name);
}

/** A fresh database, open; closed and dropped when the test has finished. */
export async function freshDatabase(): Promise<Database> {
  const database = openDatabase({ url: await freshDatabaseUrl(), session: 'test', connections: 20 });
  onTestFinished(() => database.close());
  return database;
}

export async function asAdministrator(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
