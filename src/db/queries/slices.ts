import type { StoredError } from '../../domain/errors.ts';
import { DEATHS_TO_SET_ASIDE } from '../../domain/poison.ts';
import type { SliceState } from '../../domain/slice.ts';
import type { Span } from '../../domain/span.ts';
import type { Database } from '../database.ts';
import { and, asc, eq, inArray, sql } from '../drizzle.ts';
import { type SliceRow, slices } from '../schema.ts';

/** Names one claim of one slice: the attempt is the fence that every write of that claim is guarded by. */
export interface Claim {
  readonly run: string;
  readonly slice: number;
  readonly attempt: number;
}

/** What an enqueued job refers to: the slice, and the attempt it had when the job was made. */
export type SliceReference = Claim;

export interface ClaimedSlice extends Claim {
  readonly span: Span;
  readonly cursor: number;
  readonly pages: number;
  readonly failures: number;
  /** Workers that died holding it since it last staged a page. */
  readonly deaths: number;
}

/**
 * Claims a slice for a worker and raises its fence. Undefined when the job is out of date: the slice was settled, or
 * claimed since, or the run no longer fetches; and when so many workers have died with the slice that it may be poison.
 */
export async function claimSlice(
  { pool }: Database,
  job: SliceReference,
  workerId: number,
): Promise<ClaimedSlice | undefined> {
  const { rows } = await pool.query<{
    attempt: number;
    span: Span;
    cursor: number | null;
    pages: number;
    failures: number;
    deaths: number;
  }>(
    `update sheaf.slices s
     set state = 'working', attempt = s.attempt + 1, worker_id = $4, updated_at = now()
     from sheaf.runs r
     where s.run_id = $1 and s.number = $2 and r.id = s.run_id and r.state = 'fetching'
       and s.state = 'pending' and s.attempt = $3 and sheaf.deaths_with(s) < $5
     returning s.attempt, s.span, s.cursor, s.pages, s.failures, sheaf.deaths_with(s) as deaths`,
    [job.run, job.slice, job.attempt, workerId, DEATHS_TO_SET_ASIDE],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return { ...row, run: job.run, slice: job.slice, cursor: row.cursor ?? row.span.after };
}

/**
 * Gives a claimed slice back, at no cost of an attempt, to be worked after `delayMs`. False when the claim no longer
 * held.
 */
export async function releaseSlice({ pool }: Database, claim: Claim, delayMs = 0): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.slices
     set state = 'pending', worker_id = null, updated_at = now(), due_at = now() + make_interval(secs => $4 / 1000.0)
     where run_id = $1 and number = $2 and attempt = $3 and state = 'working'`,
    [claim.run, claim.slice, claim.attempt, delayMs],
  );
  return rowCount === 1;
}

export interface SliceFailure {
  readonly error: StoredError;
  /** When it is to be tried again; null when no attempt is left. */
  readonly againInMs: number | null;
  readonly requests: number;
}

/** Writes down a failed attempt. False when the claim no longer held. */
export async function failSlice({ pool }: Database, claim: Claim, failure: SliceFailure): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.slices
     set state = $4, worker_id = null, failures = failures + 1, error = $5, updated_at = now(),
         requests = requests + $6, retries = retries + greatest($6 - 1, 0),
         due_at = now() + make_interval(secs => $7 / 1000.0)
     where run_id = $1 and number = $2 and attempt = $3 and state = 'working'`,
    [
      claim.run,
      claim.slice,
      claim.attempt,
      failure.againInMs === null ? 'failed' : 'pending',
      JSON.stringify(failure.error),
      failure.requests,
      failure.againInMs ?? 0,
    ],
  );
  return rowCount === 1;
}

/** Writes a plan's slices, in one statement. */
export async function insertSlices({ pool }: Database, run: string, spans: readonly Span[]): Promise<void> {
  await pool.query(
    `insert into sheaf.slices (run_id, number, span)
     select $1, n.ordinality, n.span from unnest($2::jsonb[]) with ordinality as n (span, ordinality)`,
    [run, spans.map((span) => JSON.stringify(span))],
  );
}

/** References to a run's slices that wait for a worker, in order: what the queue should hold. */
export async function pendingSlices({ orm }: Database, run: string): Promise<SliceReference[]> {
  const rows = await orm
    .select({ slice: slices.number, attempt: slices.attempt })
    .from(slices)
    .where(and(eq(slices.runId, run), eq(slices.state, 'pending')))
    .orderBy(asc(slices.number));
  return rows.map((row) => ({ run, ...row }));
}

/** Whether slices of a run wait for a worker: nobody need share what he has then. */
export async function hasPendingSlices({ pool }: Database, run: string): Promise<boolean> {
  const { rowCount } = await pool.query(`select from sheaf.slices where run_id = $1 and state = 'pending' limit 1`, [
    run,
  ]);
  return rowCount === 1;
}

/** How many slices of running runs could have been worked for longer than it takes to enqueue them. */
export async function countOverdueSlices({ pool }: Database): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*) as count from sheaf.slices s join sheaf.runs r on r.id = s.run_id
     where r.state = 'fetching' and s.state = 'pending'
       and greatest(s.updated_at, s.due_at) < now() - interval '15 seconds'`,
  );
  return rows[0]?.count ?? 0;
}

export async function listSlices({ orm }: Database, run: string, states: readonly SliceState[]): Promise<SliceRow[]> {
  return orm
    .select()
    .from(slices)
    .where(and(eq(slices.runId, run), inArray(slices.state, [...states])))
    .orderBy(asc(slices.number));
}

/** Releases what dead workers held, and notes their deaths. Returns how many slices that were, by run. */
export async function releaseDeadSlices({ pool }: Database): Promise<{ run: string; count: number }[]> {
  const { rows } = await pool.query<{ run: string; count: number }>(
    `with dead as (
       select d.run_id, d.number, d.worker_id from sheaf.slices d
       where d.state = 'working'
         and d.worker_id in (select w.id from sheaf.workers w where not sheaf.worker_is_alive(w.id))
         and d.run_id in (select r.id from sheaf.runs r where r.state in ('fetching', 'paused', 'failed', 'cancelled'))
       for update of d skip locked),
     noted as (
       insert into sheaf.slice_deaths (run_id, slice_number, worker_id) select run_id, number, worker_id from dead),
     released as (
       update sheaf.slices s set state = 'pending', worker_id = null, updated_at = now(), due_at = now()
       from dead where s.run_id = dead.run_id and s.number = dead.number
       returning s.run_id)
     select run_id as run, count(*) as count from released group by run_id`,
  );
  return rows;
}

/** A waiting slice with which too many workers have died, and what is known of the last. */
export interface PoisonSlice extends Claim {
  readonly deaths: number;
  readonly cursor: number | null;
  readonly host: string;
  readonly pid: number;
}

/** Finds waiting slices that are poison: their workers have been silent for so long that they are dead indeed. */
export async function findPoison({ pool }: Database): Promise<PoisonSlice[]> {
  const { rows } = await pool.query<PoisonSlice>(
    `select s.run_id as run, s.number as slice, s.attempt, s.cursor, sheaf.deaths_with(s) as deaths, last.host, last.pid
     from sheaf.slices s
     join lateral (select w.host, w.pid, d.found_at from sheaf.slice_deaths d join sheaf.workers w on w.id = d.worker_id
                   where d.run_id = s.run_id and d.slice_number = s.number
                   order by d.found_at desc limit 1) last on true
     where s.state = 'pending' and (s.run_id, s.number) in (select run_id, slice_number from sheaf.slice_deaths)
       and sheaf.deaths_with(s) >= $1 and last.found_at < now() - interval '15 seconds'`,
    [DEATHS_TO_SET_ASIDE],
  );
  return rows;
}

/** Sets a waiting slice aside as failed. False when it has been claimed since. */
export async function setAside({ pool }: Database, claim: Claim, error: StoredError): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.slices set state = 'failed', error = $4, updated_at = now()
     where run_id = $1 and number = $2 and attempt = $3 and state = 'pending'`,
    [claim.run, claim.slice, claim.attempt, JSON.stringify(error)],
  );
  return rowCount === 1;
}

/**
 * Releases what a living worker is noted for but no longer works on, because writing the outcome failed. `isHeld` is
 * asked after looking: whoever claims a slice holds it before. Returns what was released, to be enqueued again.
 */
export async function releaseForgottenSlices(
  database: Database,
  workerId: number,
  isHeld: (run: string, slice: number) => boolean,
): Promise<Claim[]> {
  const { rows } = await database.pool.query<Claim>(
    `select run_id as run, number as slice, attempt from sheaf.slices where worker_id = $1 and state = 'working'`,
    [workerId],
  );
  const released: Claim[] = [];
  for (const claim of rows) {
    if (!isHeld(claim.run, claim.slice) && (await releaseSlice(database, claim))) released.push(claim);
  }
  return released;
}

/** Sums over a run's slices; what progress, reports and verification need. */
export interface SliceTotals {
  readonly slices: number;
  readonly open: number;
  readonly failed: number;
  readonly pages: number;
  readonly records: number;
  readonly rejects: number;
  readonly requests: number;
  readonly retries: number;
  readonly bytes: number;
}

export async function sliceTotals({ orm }: Database, run: string): Promise<SliceTotals> {
  const total = (column: unknown) => sql<number>`coalesce(sum(${column}), 0)::float8`;
  const rows = await orm
    .select({
      slices: sql<number>`count(*)::int`,
      open: sql<number>`(count(*) filter (where ${slices.state} in ('pending', 'working')))::int`,
      failed: sql<number>`(count(*) filter (where ${slices.state} = 'failed'))::int`,
      pages: total(slices.pages),
      records: total(slices.records),
      rejects: total(slices.rejects),
      requests: total(slices.requests),
      retries: total(slices.retries),
      bytes: total(slices.bytes),
    })
    .from(slices)
    .where(eq(slices.runId, run));
  if (rows[0] === undefined) throw new Error('an aggregate without a row');
  return rows[0];
}
