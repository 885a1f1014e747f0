import type { Database } from '../database.ts';

/** All of a run's slices at one moment, as one reads them from afar. */
export interface SliceMap {
  /** A letter a slice, by number: p(ending), w(orking), d(one), f(ailed). */
  readonly states: string;
  readonly pages: number;
  readonly records: number;
  readonly rejects: number;
  readonly requests: number;
  readonly retries: number;
  readonly bytes: number;
  /** Slices whose last attempt left an error behind. */
  readonly errors: number;
  /** When the run last staged a page; null when it has not yet. */
  readonly lastPageAt: Date | null;
}

/**
 * Reads them in one pass. Whole and not by `updated_at`: that is the beginning of a transaction, so that what is
 * committed late would be missed; and the pass takes 4 ms for 5,000 slices.
 */
export async function readSliceMap({ pool }: Database, run: string): Promise<SliceMap> {
  const { rows } = await pool.query<SliceMap>(
    `select coalesce(string_agg(left(state, 1), '' order by number), '') as states,
       coalesce(sum(pages), 0)::float8 as pages, coalesce(sum(records), 0)::float8 as records,
       coalesce(sum(rejects), 0)::float8 as rejects, coalesce(sum(requests), 0)::float8 as requests,
       coalesce(sum(retries), 0)::float8 as retries, coalesce(sum(bytes), 0)::float8 as bytes,
       count(error)::int as errors, max(staged_at) as "lastPageAt"
     from sheaf.slices where run_id = $1`,
    [run],
  );
  if (rows[0] === undefined) throw new Error('an aggregate without a row');
  return rows[0];
}

/** What slices of a run have met with, by the kind of error. */
export interface ErrorGroup {
  readonly code: string;
  /** An example: the message of the latest. */
  readonly message: string;
  readonly slices: number;
  /** Of these, the ones that have no attempt left. */
  readonly failed: number;
  /** Some of their numbers, the lowest first. */
  readonly numbers: readonly number[];
}

export async function groupErrors({ pool }: Database, run: string): Promise<ErrorGroup[]> {
  const { rows } = await pool.query<ErrorGroup>(
    `select error ->> 'code' as code, (array_agg(error ->> 'message' order by updated_at desc))[1] as message,
       count(*)::int as slices, (count(*) filter (where state = 'failed'))::int as failed,
       (array_agg(number order by number))[1:8] as numbers
     from sheaf.slices where run_id = $1 and error is not null
     group by 1 order by 4 desc, 3 desc, 1 limit 20`,
    [run],
  );
  return rows;
}

/** A worker that holds slices of a run. */
export interface Holder {
  readonly id: number;
  readonly host: string;
  readonly pid: number;
  readonly isAlive: boolean;
  readonly slices: number;
}

export async function listHolders({ pool }: Database, run: string): Promise<Holder[]> {
  const { rows } = await pool.query<Holder>(
    `select w.id, w.host, w.pid, sheaf.worker_is_alive(w.id) as "isAlive", h.slices
     from (select worker_id, count(*)::int as slices from sheaf.slices
           where run_id = $1 and state = 'working' group by worker_id) h
     join sheaf.workers w on w.id = h.worker_id order by w.id`,
    [run],
  );
  return rows;
}
