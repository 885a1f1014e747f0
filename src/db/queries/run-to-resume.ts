import type { Database } from '../database.ts';
import { and, desc, inArray, not, or, sql } from '../drizzle.ts';
import { type RunRow, runs } from '../schema.ts';

/**
 * The newest run that can be gone on with to some end: one that has not ended, or that failed or is partial for more than
 * deletes withheld, unless a later complete run has brought all that it would.
 */
export async function newestRunToResume({ orm }: Database): Promise<RunRow | undefined> {
  const later = sql`exists (
    select from sheaf.runs l where l.dataset = ${runs.dataset} and l.state = 'complete' and l.created_at > ${runs.createdAt}
      and (sheaf.is_full_sweep(l) or l.request = ${runs.request}))`;
  const lacks = sql`(${runs.state} = 'failed' or ${runs.state} = 'partial' and (${runs.proof} ->> 'holds') is distinct from 'true')`;
  const found = await orm
    .select()
    .from(runs)
    .where(or(inArray(runs.state, ['fetching', 'paused', 'finalising']), and(lacks, not(later))))
    .orderBy(desc(runs.createdAt), desc(runs.id))
    .limit(1);
  return found[0];
}
