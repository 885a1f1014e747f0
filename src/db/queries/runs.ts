import { type StoredError, UsageError } from '../../domain/errors.ts';
import type { HarvestRequest, Strategy } from '../../domain/harvest-request.ts';
import type { Proof } from '../../domain/proof.ts';
import type { Entity } from '../../domain/record.ts';
import type { Expansion } from '../../domain/relations.ts';
import type { RunState } from '../../domain/run.ts';
import type { Span } from '../../domain/span.ts';
import type { TimeWindow } from '../../domain/time-window.ts';
import { type Database, inTransaction } from '../database.ts';
import { desc, eq, inArray, like, or } from '../drizzle.ts';
import { type RunRow, runs } from '../schema.ts';
import { moveWatermark } from './watermarks.ts';

export interface NewRun {
  readonly id: string;
  readonly dataset: string;
  readonly request: HarvestRequest;
  readonly entity: Entity;
  /** Where the records come from, without secrets. */
  readonly sourceUrl: string;
  readonly strategy: Strategy;
  readonly span: Span;
  readonly pageSize: number;
  readonly expected: number | null;
  readonly planRequests: number;
  /** Null for a sweep. */
  readonly timeWindow: TimeWindow | null;
  /** The latest timestamp that the source had; null when it is not known. */
  readonly sourceLatest: string | null;
  /** What there is was staged with the plan, and counted in the same answer. */
  readonly isPlannedWhole: boolean;
  /** The relations that it follows; null, or left out, for none. */
  readonly expand?: readonly Expansion[] | null;
  /** Of a repair: the only keys that it covers, in order; null for any other run. */
  readonly ranges: readonly Span[] | null;
}

export async function insertRun({ orm }: Database, run: NewRun): Promise<void> {
  await orm.insert(runs).values(run);
}

/** Seals a plan: from here on, and not before, the run may be worked and finalised. */
export async function sealRun({ pool }: Database, run: string): Promise<void> {
  await pool.query(
    `update sheaf.runs
     set state = 'fetching', sealed_at = now(), slice_count = (select count(*) from sheaf.slices where run_id = $1)
     where id = $1 and state = 'planning' and sealed_at is null`,
    [run],
  );
}

export async function getRun(database: Database, id: string): Promise<RunRow> {
  const rows = await database.orm.select().from(runs).where(eq(runs.id, id));
  if (rows[0] === undefined)
    throw new UsageError(`There is no run ${id}.`, { code: 'unknown-run', facts: { run: id } });
  return rows[0];
}

/** Finds a run by its id, by the end of its id, or as `latest`. Throws a UsageError unless exactly one fits. */
export async function resolveRun({ orm }: Database, reference: string): Promise<RunRow> {
  const matches = reference === 'latest' ? undefined : or(eq(runs.id, reference), like(runs.id, `%${reference}`));
  const found = await orm.select().from(runs).where(matches).orderBy(desc(runs.createdAt), desc(runs.id)).limit(2);
  const [run, another] = found;
  if (run === undefined) {
    const message =
      reference === 'latest' ? 'There is no run yet.' : `There is no run "${reference}"; \`sheaf runs\` lists them.`;
    throw new UsageError(message, {
      code: 'unknown-run',
      facts: { asked: reference },
    });
  }
  if (another === undefined || reference === 'latest') return run;
  throw new UsageError(
    `"${reference}" fits several runs, ${run.id} and ${another.id} among them; give more of the id.`,
    {
      code: 'ambiguous-run',
      facts: { asked: reference },
    },
  );
}

export async function listRuns(
  { orm }: Database,
  filter: { dataset?: string | undefined; limit: number },
): Promise<RunRow[]> {
  const where = filter.dataset === undefined ? undefined : eq(runs.dataset, filter.dataset);
  return orm.select().from(runs).where(where).orderBy(desc(runs.createdAt), desc(runs.id)).limit(filter.limit);
}

/** The newest run in one of these states. */
export async function runsInState({ orm }: Database, states: readonly RunState[]): Promise<RunRow[]> {
  return orm
    .select()
    .from(runs)
    .where(inArray(runs.state, [...states]))
    .orderBy(runs.createdAt);
}

/**
 * The chord's compare-and-set: moves a run whose slices have all settled from fetching to finalising. Of any number of
 * callers exactly one gets the generation back; that one enqueues the finalise job. A run that is to stop at its first
 * failed slice is never finalised with one, however it came to be: see `findFailedRuns`.
 */
export async function beginFinalising(
  { pool }: Database,
  run: string,
): Promise<{ generation: number; attempt: number } | undefined> {
  const { rows } = await pool.query<{ generation: number; attempt: number }>(
    `update sheaf.runs r set state = 'finalising'
     where r.id = $1 and r.state = 'fetching' and r.sealed_at is not null
       and not exists (select from sheaf.slices s where s.run_id = r.id and s.state in ('pending', 'working'))
       and (r.request ->> 'onFailure' = 'partial'
            or not exists (select from sheaf.slices f where f.run_id = r.id and f.state = 'failed'))
     returning r.generation, r.attempt`,
    [run],
  );
  return rows[0];
}

/** A slice of a fetching run that has failed for good, though the run is to stop at the first that does. */
export interface FailedRun {
  readonly run: string;
  readonly slice: number;
  readonly error: StoredError;
}

/** Finds runs that should have ended with a failed slice, and have not: they were paused then, or their worker died. */
export async function findFailedRuns({ pool }: Database): Promise<FailedRun[]> {
  const { rows } = await pool.query<FailedRun>(
    `select distinct on (r.id) r.id as run, f.number as slice, f.error
     from sheaf.runs r join sheaf.slices f on f.run_id = r.id and f.state = 'failed'
     where r.state = 'fetching' and r.request ->> 'onFailure' = 'stop'
     order by r.id, f.number`,
  );
  return rows;
}

/** Plans that were begun so many minutes ago, and never sealed. */
export async function findLostPlans({ pool }: Database, minutes: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select id from sheaf.runs where state = 'planning' and created_at < now() - make_interval(mins => $1)`,
    [minutes],
  );
  return rows.map(({ id }) => id);
}

/** Names one claim of a run's finalisation. */
export interface FinaliseClaim {
  readonly run: string;
  readonly attempt: number;
}

/** Takes the finalisation of a run over, unless a living worker is at it. Undefined when there is nothing to take. */
export async function claimFinalise(
  { pool }: Database,
  job: { readonly run: string; readonly generation: number },
  workerId: number,
): Promise<FinaliseClaim | undefined> {
  const { rows } = await pool.query<{ attempt: number }>(
    `update sheaf.runs
     set attempt = attempt + 1, finaliser = $3
     where id = $1 and generation = $2 and state = 'finalising'
       and (finaliser is null or not sheaf.worker_is_alive(finaliser))
     returning attempt`,
    [job.run, job.generation, workerId],
  );
  return rows[0] === undefined ? undefined : { run: job.run, attempt: rows[0].attempt };
}

/** Finalisations that could be carried out, and nobody living is at, as the jobs that they should have. */
export async function unattendedFinalisations({
  pool,
}: Database): Promise<{ run: string; generation: number; attempt: number }[]> {
  const { rows } = await pool.query<{ run: string; generation: number; attempt: number }>(
    `select id as run, generation, attempt from sheaf.runs
     where state = 'finalising' and (finaliser is null or not sheaf.worker_is_alive(finaliser))
       and (finalise_due_at is null or finalise_due_at <= now())`,
  );
  return rows;
}

/** Lets go of a finalisation that could not be carried through, so that it can be claimed again. */
export async function releaseFinalise({ pool }: Database, claim: FinaliseClaim): Promise<void> {
  await pool.query(`update sheaf.runs set finaliser = null where id = $1 and attempt = $2 and state = 'finalising'`, [
    claim.run,
    claim.attempt,
  ]);
}

/**
 * Lets go of a finalisation because the source does not answer, so that it can be claimed again after `waitMs`. False
 * when it has not answered for `patienceMs`, or when the claim no longer held.
 */
export async function postponeFinalise(
  { pool }: Database,
  claim: FinaliseClaim,
  { waitMs, patienceMs }: { readonly waitMs: number; readonly patienceMs: number },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.runs
     set finaliser = null, unanswered_since = coalesce(unanswered_since, now()),
         finalise_due_at = now() + $4 * interval '1 millisecond'
     where id = $1 and attempt = $2 and state = 'finalising'
       and (unanswered_since is null or unanswered_since > now() - $3 * interval '1 millisecond')`,
    [claim.run, claim.attempt, patienceMs, waitMs],
  );
  return rowCount === 1;
}

/**
 * Lets go of what a living worker is noted as finaliser for but is not at, because it lost the database on the way.
 * `isHeld` is asked after looking: whoever claims a run holds it before.
 */
export async function releaseForgottenFinalisations(
  database: Database,
  workerId: number,
  isHeld: (run: string) => boolean,
): Promise<void> {
  const { rows } = await database.pool.query<FinaliseClaim>(
    `select id as run, attempt from sheaf.runs where finaliser = $1 and state = 'finalising'`,
    [workerId],
  );
  for (const claim of rows) if (!isHeld(claim.run)) await releaseFinalise(database, claim);
}

/** Whether a finaliser still has its claim: to be asked before it touches what another may be at, outside the database. */
export async function holdsClaim({ pool }: Database, claim: FinaliseClaim): Promise<boolean> {
  const { rowCount } = await pool.query(
    `select from sheaf.runs where id = $1 and attempt = $2 and state = 'finalising'`,
    [claim.run, claim.attempt],
  );
  return rowCount === 1;
}

/** Keeps a run's proof; and of a repair, what its ranges held in the end. False when the claim no longer held. */
export async function saveProof({ pool }: Database, claim: FinaliseClaim, proof: Proof): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.runs set proof = p, count_before = coalesce(count_before, case when ranges is not null then expected end),
       expected = case when ranges is null then expected else greatest(
         coalesce((p ->> 'countAfter')::bigint, expected), (p ->> 'distinctKeys')::bigint + (p ->> 'rejects')::bigint) end
     from (select $3::jsonb) as told (p) where id = $1 and attempt = $2 and state = 'finalising'`,
    [claim.run, claim.attempt, JSON.stringify(proof)],
  );
  return rowCount === 1;
}

export interface RunEnd {
  readonly state: RunState;
  readonly reason: string | null;
  readonly error?: StoredError;
}

/** Ends a run that is being finalised; a complete one moves its watermark. False when the claim no longer held. */
export async function endFinalised({ pool }: Database, claim: FinaliseClaim, end: RunEnd): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `update sheaf.runs
       set state = $3, reason = $4, error = $5, finaliser = null, finished_at = now()
       where id = $1 and attempt = $2 and state = 'finalising'`,
      [claim.run, claim.attempt, end.state, end.reason, end.error === undefined ? null : JSON.stringify(end.error)],
    );
    if (rowCount !== 1) return false;
    if (end.state === 'complete') await moveWatermark(client, claim.run);
    return true;
  });
}

/** Ends a run from outside its finaliser: a slice failed under the policy `stop`, or planning failed. */
export async function endRun({ pool }: Database, run: string, end: RunEnd): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.runs set state = $2, reason = $3, error = $4, finished_at = now()
     where id = $1 and state in ('planning', 'fetching')`,
    [run, end.state, end.reason, end.error === undefined ? null : JSON.stringify(end.error)],
  );
  return rowCount === 1;
}

/**
 * Cancels a run that has not ended. Whoever works on it is told at once, and stopped by the ledger at the latest. A run
 * that has been merged, or is being merged while this waits for its row, is past that: it is being published.
 */
export async function cancelRun({ pool }: Database, run: string): Promise<'cancelled' | 'publishing' | 'ended'> {
  return inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = '2s'`);
    const { rowCount } = await client.query(
      `update sheaf.runs set state = 'cancelled', reason = 'cancelled on request', finaliser = null, finished_at = now()
       where id = $1 and (state in ('planning', 'fetching', 'paused')
                          or state = 'finalising' and merged_generation < generation)`,
      [run],
    );
    if (rowCount === 1) return 'cancelled';
    const { rows } = await client.query<{ state: RunState }>('select state from sheaf.runs where id = $1', [run]);
    return rows[0]?.state === 'finalising' ? 'publishing' : 'ended';
  }).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE) return 'publishing';
    throw error;
  });
}

const LOCK_NOT_AVAILABLE = '55P03';

/** Puts a run that has nothing to merge past the point at which it can be cancelled. False when the claim no longer held. */
export async function passMerge({ pool }: Database, claim: FinaliseClaim): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.runs set merged_generation = generation, merge = null
     where id = $1 and attempt = $2 and state = 'finalising'`,
    [claim.run, claim.attempt],
  );
  return rowCount === 1;
}

/** Pauses a run that fetches. False when it does not. */
export async function pauseRun({ pool }: Database, run: string): Promise<boolean> {
  const { rowCount } = await pool.query(`update sheaf.runs set state = 'paused' where id = $1 and state = 'fetching'`, [
    run,
  ]);
  return rowCount === 1;
}

/** Lets a paused run fetch again. False when it is not paused. */
export async function unpauseRun({ pool }: Database, run: string): Promise<boolean> {
  const { rowCount } = await pool.query(`update sheaf.runs set state = 'fetching' where id = $1 and state = 'paused'`, [
    run,
  ]);
  return rowCount === 1;
}

/**
 * Opens the next generation of a run that ended failed or partial, and its failed slices with it, with all their attempts. False when it had not
 * ended like that, or was never sealed.
 */
export async function reopenRun({ pool }: Database, run: string): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `update sheaf.runs
       set state = 'fetching', generation = generation + 1, reason = null, error = null, finaliser = null,
           finished_at = null, rereads = 0, reread_slices = 0, is_extended = false, unanswered_since = null
       where id = $1 and state in ('failed', 'partial') and sealed_at is not null`,
      [run],
    );
    if (rowCount !== 1) return false;
    await client.query(
      `update sheaf.slices set state = 'pending', failures = 0, updated_at = now(), due_at = now()
       where run_id = $1 and state in ('failed', 'pending')`,
      [run],
    );
    await client.query('delete from sheaf.slice_deaths where run_id = $1', [run]);
    return true;
  });
}
