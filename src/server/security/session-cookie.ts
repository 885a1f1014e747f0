import type { Database } from '../../db/database.ts';
import { installationId } from '../../db/queries/installation.ts';

/**
 * What the cookie of a session is called. Cookies know no ports: two installations on one machine must not sign each
 * other's people out.
 */
export async function sessionCookie(database: Database): Promise<string> {
  return `sheaf-${await installationId(database)}`;
}
