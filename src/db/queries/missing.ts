import type { Ahead } from '../../domain/proof.ts';
import type { Span } from '../../domain/span.ts';
import { type Database, inTransaction } from '../database.ts';
import type { RunRow } from '../schema.ts';
import { stagingTable } from './staging.ts';

/** A run, and the ranges of keys that it covers; null for all. */
export type Covering = Pick<RunRow, 'id' | 'ranges'>;

/**
 * Picks the records `r` of dataset $2 that run $1 should have seen and has not. Not those that another run has written
 * since this one was planned, and not those that came in a form that could not be taken.
 */
export const MISSING = ({ id, ranges }: Covering): string => `
  r.dataset = $2 and r.deleted_at is null
  and r.changed_at <= (select created_at from sheaf.runs where id = $1)
  and not exists (select from ${stagingTable(id)} s where s.key = r.key)
  and not exists (select from sheaf.rejects j where j.run_id = $1 and j.dataset is null and j.key collate "C" = r.key)
  ${ranges === null ? '' : `and sheaf.number_of_key(r.key) <@ '${multirange(ranges)}'::int8multirange`}`;

/** Ranges of keys as PostgreSQL writes them. */
export function multirange(ranges: readonly Span[]): string {
  return `{${ranges.map(({ after, upto }) => `(${BigInt(after)},${BigInt(upto)}]`).join(',')}}`;
}

export interface Missing {
  /** Records that are not marked as deleted, before the run's merge. Counted where some are missing, else 0. */
  readonly live: number;
  /** Of these, the ones that the run should have seen and has not. */
  readonly missing: number;
  /** Rows that came without a key that could be read: each might be one of the missing. */
  readonly unnamed: number;
}

/** Counts what a sweep has not seen. In one process: several build a table of keys together that grows with the dataset. */
export async function countMissing({ pool }: Database, run: Covering & Pick<RunRow, 'dataset'>): Promise<Missing> {
  const rows = await inTransaction(pool, async (client) => {
    await client.query('set local max_parallel_workers_per_gather = 0');
    return (await client.query<Missing>(countQuery(run), [run.id, run.dataset])).rows;
  });
  return rows[0] ?? { live: 0, missing: 0, unnamed: 0 };
}

function countQuery(run: Covering): string {
  return `
     select missing,
            case when missing = 0 then 0
                 else (select count(*) from sheaf.records where dataset = $2 and deleted_at is null) end as live,
            (select count(*) from sheaf.rejects where run_id = $1 and dataset is null and key is null) as unnamed
     from (select count(*) as missing from sheaf.records r where ${MISSING(run)}) as counted`;
}

/**
 * Picks the keys of dataset $2 that are known to be at the source in a form that could not be taken: rejected since its
 * last full sweep was planned, and neither replayed nor come in another form since.
 */
export const REJECTED_KEYS = `
  select j.key collate "C" as key from sheaf.rejects j join sheaf.runs f on f.id = j.run_id
  where coalesce(j.dataset, f.dataset) = $2 and j.key is not null and j.outcome is distinct from 'taken' and f.created_at >= (
    select max(w.created_at) from sheaf.runs w
    where w.dataset = $2 and w.merged_generation = w.generation and sheaf.is_full_sweep(w))
    and not exists (select from sheaf.records t
                    where t.dataset = $2 and t.key = j.key collate "C" and t.changed_at > j.created_at)`;

/** Counts what a look at keys and timestamps has found the copy to lack. Not what another run has written meanwhile. */
export async function countAhead({ pool }: Database, run: Pick<RunRow, 'id' | 'dataset'>): Promise<Ahead> {
  const { rows } = await pool.query<Ahead>(
    `select count(*) filter (where r.key is null or r.deleted_at is not null) as added,
            count(*) filter (where r.deleted_at is null and r.source_timestamp is distinct from s.source_timestamp
                               and r.key is not null) as changed
     from (select distinct on (key) key, source_timestamp from ${stagingTable(run.id)} order by key, ctid desc) s
     left join sheaf.records r on r.dataset = $2 and r.key = s.key
     where coalesce(r.changed_at <= (select created_at from sheaf.runs where id = $1), true)
       and not (r.key is null and s.key in (${REJECTED_KEYS}))`,
    [run.id, run.dataset],
  );
  return rows[0] ?? { added: 0, changed: 0 };
}
