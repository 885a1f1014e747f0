import type pg from 'pg';
import type { Span } from '../../domain/span.ts';
import { type Database, inTransaction } from '../database.ts';
import { deleteRelated } from './related.ts';
import type { FinaliseClaim } from './runs.ts';
import { stagingTable } from './staging.ts';

/**
 * Sends a run back from finalising to fetching, and slices that lost what they had staged back to their beginning, in
 * one transaction under the finaliser's fence. False when the claim no longer held; nothing is written then.
 */
export async function refetchSlices(
  { pool }: Database,
  claim: FinaliseClaim,
  slices: readonly number[],
): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    if (!(await fetchAnew(client, claim))) return false;
    await sendToStart(client, claim.run, slices);
    return true;
  });
}

/** What is fetched once more because the source has changed. */
export interface Reread {
  /** Slices to be fetched from their start. */
  readonly slices: readonly number[];
  /** Slices that the run gets in addition. */
  readonly added: readonly Span[];
  /** What the run covers from now on, and how many records that is. */
  readonly span: Span;
  readonly expected: number | null;
}

/**
 * Sends a run back from finalising to fetching with what has to be read once more, in one transaction under the
 * finaliser's fence: slices back to their start, and slices for what came beyond the run's ends. False when the claim no
 * longer held; nothing is written then.
 */
export async function rereadSlices({ pool }: Database, claim: FinaliseClaim, reread: Reread): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    if (!(await fetchAnew(client, claim))) return false;
    await sendToStart(client, claim.run, reread.slices);
    const sliceCount = await restate(client, claim.run, reread);
    await client.query(
      `insert into sheaf.slices (run_id, number, span)
       select $1, $2 + added.ordinality, added.span
       from unnest($3::jsonb[]) with ordinality as added (span, ordinality)`,
      [claim.run, sliceCount - reread.added.length, reread.added.map((span) => JSON.stringify(span))],
    );
    return true;
  });
}

/** What a finaliser that died had merged before is merged again: what is fetched now may differ from it. */
async function fetchAnew(client: pg.PoolClient, claim: FinaliseClaim): Promise<boolean> {
  const { rowCount } = await client.query(
    `update sheaf.runs set state = 'fetching', finaliser = null, unanswered_since = null, merged_generation = 0,
         is_planned_whole = false
     where id = $1 and attempt = $2 and state = 'finalising'`,
    [claim.run, claim.attempt],
  );
  return rowCount === 1;
}

/** Everything that a slice has brought goes with its counts; it has all its attempts again. */
async function sendToStart(client: pg.PoolClient, run: string, slices: readonly number[]): Promise<void> {
  await client.query(`delete from ${stagingTable(run)} where slice_number = any($1::int[])`, [[...slices]]);
  await deleteRelated(client, run, slices);
  await client.query('delete from sheaf.rejects where run_id = $1 and slice_number = any($2::int[])', [
    run,
    [...slices],
  ]);
  await client.query(
    `update sheaf.slices
     set state = 'pending', worker_id = null, attempt = attempt + 1, failures = 0, cursor = null, records = 0,
         rejects = 0, pages = 0, updated_at = now(), due_at = now()
     where run_id = $1 and number = any($2::int[])`,
    [run, [...slices]],
  );
}

/** Returns how many slices the run has from now on. */
async function restate(client: pg.PoolClient, run: string, reread: Reread): Promise<number> {
  const { slices, added, span, expected } = reread;
  const { rows } = await client.query<{ count: number }>(
    `update sheaf.runs
     set rereads = rereads + sign($2::int)::int, reread_slices = reread_slices + $2, slice_count = slice_count + $3,
         is_extended = is_extended or $3 > 0, span = $4, count_before = coalesce(count_before, expected), expected = $5
     where id = $1 returning slice_count as count`,
    [run, slices.length, added.length, JSON.stringify(span), expected],
  );
  return rows[0]?.count ?? 0;
}
