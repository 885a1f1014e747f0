import type { Database } from '../database.ts';
import { installation } from '../schema.ts';

/** Names this database among all that may share a Redis. */
export async function installationId({ orm }: Database): Promise<string> {
  const rows = await orm.select({ id: installation.id }).from(installation);
  if (rows[0] === undefined) throw new Error('sheaf.installation has no row');
  return rows[0].id;
}
