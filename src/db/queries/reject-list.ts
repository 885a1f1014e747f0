import { UsageError } from '../../domain/errors.ts';
import type { Database } from '../database.ts';
import { and, desc, eq, lt } from '../drizzle.ts';
import { type RejectRow, rejects, runs } from '../schema.ts';
import { type ListedReject, rejectedOf } from './rejects.ts';

export interface RejectListQuery {
  readonly run?: string | undefined;
  readonly dataset?: string | undefined;
  readonly reason?: string | undefined;
  /** The last reject of the page before; null for the first page. */
  readonly before: number | null;
  readonly limit: number;
}

/** Rejects without their records, the newest first. */
export async function pageOfRejects({ orm }: Database, query: RejectListQuery): Promise<ListedReject[]> {
  const { run, dataset, reason, before, limit } = query;
  return orm
    .select({
      id: rejects.id,
      runId: rejects.runId,
      dataset: rejectedOf,
      sliceNumber: rejects.sliceNumber,
      key: rejects.key,
      reason: rejects.reason,
      detail: rejects.detail,
      createdAt: rejects.createdAt,
      replayedAt: rejects.replayedAt,
      outcome: rejects.outcome,
    })
    .from(rejects)
    .innerJoin(runs, eq(runs.id, rejects.runId))
    .where(
      and(
        run === undefined ? undefined : eq(rejects.runId, run),
        dataset === undefined ? undefined : eq(rejectedOf, dataset),
        reason === undefined ? undefined : eq(rejects.reason, reason),
        before === null ? undefined : lt(rejects.id, before),
      ),
    )
    .orderBy(desc(rejects.id))
    .limit(limit);
}

/** One reject with its record. Throws a UsageError when there is none of that number. */
export async function getReject({ orm }: Database, id: number): Promise<RejectRow & { readonly dataset: string }> {
  const found = await orm
    .select({ reject: rejects, dataset: rejectedOf })
    .from(rejects)
    .innerJoin(runs, eq(runs.id, rejects.runId))
    .where(eq(rejects.id, id));
  const [first] = found;
  if (first !== undefined) return { ...first.reject, dataset: first.dataset };
  throw new UsageError(`There is no reject ${id}.`, { code: 'unknown-reject', facts: { id } });
}
