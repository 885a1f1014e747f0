import type { AuditEntry } from '../../domain/audit.ts';
import type { Database } from '../database.ts';
import { and, desc, eq, lt } from '../drizzle.ts';
import { type AuditRow, audit } from '../schema.ts';

/** How long the audit log is kept, in days: a year, and a month to look back on it. */
export const AUDIT_DAYS = 400;

export async function writeAudit({ orm }: Database, entry: AuditEntry): Promise<void> {
  const { actor, action, target, outcome, details = {} } = entry;
  await orm.insert(audit).values({
    actor: actor.name,
    role: actor.role,
    via: actor.via,
    address: actor.address,
    action,
    targetKind: target?.kind ?? null,
    targetId: target?.id ?? null,
    details,
    outcome,
  });
}

export interface AuditQuery {
  /** Entries at most. */
  readonly limit: number;
  /** Only entries older than this id, to page on from the last one of a page. */
  readonly before?: number | undefined;
  /** Only what was done to this run. */
  readonly run?: string | undefined;
}

/** Entries of the audit log, the newest first. */
export async function listAudit({ orm }: Database, query: AuditQuery): Promise<AuditRow[]> {
  const conditions = [
    query.before === undefined ? undefined : lt(audit.id, query.before),
    query.run === undefined ? undefined : and(eq(audit.targetKind, 'run'), eq(audit.targetId, query.run)),
  ];
  return orm
    .select()
    .from(audit)
    .where(and(...conditions))
    .orderBy(desc(audit.id))
    .limit(query.limit);
}

/** Drops entries that have grown older than the log is kept. */
export async function pruneAudit({ pool }: Database, days: number): Promise<void> {
  await pool.query('delete from sheaf.audit where at < now() - make_interval(days => $1)', [days]);
}
