import type { Database } from '../database.ts';
import { installation } from '../schema.ts';

/** Names this database among all that may share a Redis. */
export async function installationId(database: Database): Promise<string> {
  return (await readInstallation(database)).id;
}

/** Seals the cookies of sessions, on every server of this database; 32 bytes. */
export async function sessionKey(database: Database): Promise<Buffer> {
  return Buffer.from((await readInstallation(database)).sessionKey, 'hex');
}

async function readInstallation({ orm }: Database): Promise<typeof installation.$inferSelect> {
  const rows = await orm.select().from(installation);
  if (rows[0] === undefined) throw new Error('sheaf.installation has no row');
  return rows[0];
}
