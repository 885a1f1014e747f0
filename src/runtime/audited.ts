import { hostname, userInfo } from 'node:os';
import type { Database } from '../db/database.ts';
import { writeAudit } from '../db/queries/audit.ts';
import type { Actor } from '../domain/actor.ts';
import type { AuditDetails, AuditEntry, AuditTarget } from '../domain/audit.ts';
import { SheafError, UsageError } from '../domain/errors.ts';

export type Audited = Pick<AuditEntry, 'actor' | 'action'> & {
  readonly target: AuditTarget;
  readonly details?: AuditDetails;
};

/**
 * Does something and writes into the audit log who did it, and whether it was done; throws what `work` throws.
 * `targetOf` names what came into being by it.
 */
export async function audited<T>(
  database: Database,
  deed: Audited,
  { work, targetOf }: { readonly work: () => Promise<T>; readonly targetOf?: (result: T) => AuditTarget },
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    const code = error instanceof SheafError ? error.code : 'unexpected';
    const outcome = error instanceof UsageError ? 'refused' : 'failed';
    // The deed's own error is what matters: a database that is away has most likely caused it.
    await writeAudit(database, { ...deed, outcome, details: { ...deed.details, code } }).catch(() => undefined);
    throw error;
  }
  await writeAudit(database, { ...deed, target: targetOf?.(result) ?? deed.target, outcome: 'done' });
  return result;
}

/** Whoever sits at the command line: the user and the machine. */
export function commandLineActor(): Actor {
  return { name: `${userName()}@${hostname()}`, role: 'operator', via: 'cli', address: null };
}

/** A user id without an entry in the machine's list of users, as containers have it, has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
