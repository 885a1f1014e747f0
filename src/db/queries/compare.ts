import type { Span } from '../../domain/span.ts';
import type { Database } from '../database.ts';
import { and, desc, eq, sql } from '../drizzle.ts';
import { type RunRow, runs } from '../schema.ts';
import { multirange, REJECTED_KEYS } from './missing.ts';

/** Neighbouring keys of the copy, about as many as a page holds. */
export interface Cell {
  /** Where it lies by the source's keys: below all of them, among them, above all of them. */
  readonly segment: 'below' | 'among' | 'above';
  readonly lowest: number;
  readonly highest: number;
  /** Records, and known rejects: what the source should count. */
  readonly taken: number;
  readonly rejected: number;
}

/**
 * Cuts the copy of a dataset into cells of `size` keys, in key order. No cell lies on both sides of an end of `span`,
 * which is where the source's keys lie.
 */
export async function readCells(
  { pool }: Database,
  dataset: string,
  { size, span }: { readonly size: number; readonly span: Span },
): Promise<Cell[]> {
  const { rows } = await pool.query<Cell>(
    `select case when n <= $3 then 'below' when n > $4 then 'above' else 'among' end as segment,
            min(n)::float8 as lowest, max(n)::float8 as highest, count(*) as taken, count(*) filter (where is_reject) as rejected
     from (
       select n, is_reject, (row_number() over (order by n) - 1) / $1::bigint as place
       from (
         select sheaf.number_of_key(key) as n, is_reject
         from (select key, false as is_reject from sheaf.records where dataset = $2 and deleted_at is null
               union all
               select distinct j.key, true from (${REJECTED_KEYS}) j where not exists (
                 select from sheaf.records r where r.dataset = $2 and r.key = j.key and r.deleted_at is null)) k
         offset 0) numbered -- so that a key is made a number once
       where n is not null) placed
     group by segment, place
     order by lowest`,
    [size, dataset, span.after, span.upto],
  );
  return rows;
}

/** How many live records a dataset has, and how many of them have a key that is no number. */
export async function countCopy({ pool }: Database, dataset: string): Promise<{ live: number; unplaced: number }> {
  const { rows } = await pool.query<{ live: number; unplaced: number }>(
    `select count(*) as live, count(*) filter (where sheaf.number_of_key(key) is null) as unplaced
     from sheaf.records where dataset = $1 and deleted_at is null`,
    [dataset],
  );
  return rows[0] ?? { live: 0, unplaced: 0 };
}

/** How many live records lie in a range of keys. */
export async function countIn({ pool }: Database, dataset: string, range: Span): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*) as count from sheaf.records
     where dataset = $1 and deleted_at is null and sheaf.number_of_key(key) <@ $2::int8multirange`,
    [dataset, multirange([range])],
  );
  return rows[0]?.count ?? 0;
}

/** The keys and hashes of the live records in ranges of keys. */
export async function readHashes(
  { pool }: Database,
  dataset: string,
  ranges: readonly Span[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await pool.query<[string, string]>({
    text: `select key, replace(hash::text, '-', '') from sheaf.records
           where dataset = $1 and deleted_at is null and sheaf.number_of_key(key) <@ $2::int8multirange`,
    values: [dataset, multirange(ranges)],
    rowMode: 'array',
  });
  return new Map(rows);
}

/** The hashes of the live records with these keys. */
export async function readHashesOf(
  { pool }: Database,
  dataset: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await pool.query<[string, string]>({
    text: `select key, replace(hash::text, '-', '') from sheaf.records
           where dataset = $1 and deleted_at is null and key = any($2::text[])`,
    values: [dataset, keys],
    rowMode: 'array',
  });
  return new Map(rows);
}

/** The keys of a dataset that are known to be at the source in a form that could not be taken. */
export async function readRejectedKeys({ pool }: Database, dataset: string): Promise<ReadonlySet<string>> {
  const { rows } = await pool.query<{ key: string }>(
    `select distinct key from (${REJECTED_KEYS}) j where $1::text is null`,
    [null, dataset],
  );
  return new Set(rows.map(({ key }) => key));
}

/** The latest complete run over all that a dataset has, or over all that had changed in it; undefined when there is none. */
export async function findLastInStep(
  { orm }: Database,
  of: { readonly dataset: string; readonly sourceUrl: string },
): Promise<RunRow | undefined> {
  const isWhole = sql`(sheaf.is_full_sweep(runs) or ${runs.timeWindow} is not null) and ${runs.request} ->> 'filter' is null
    and ${runs.request} ->> 'select' is null and ${runs.request} ->> 'maxRecords' is null
    and ${runs.request} ->> 'since' is null`; // what lies between the run before and that time has been seen by none
  const found = await orm
    .select()
    .from(runs)
    .where(and(eq(runs.dataset, of.dataset), eq(runs.sourceUrl, of.sourceUrl), eq(runs.state, 'complete'), isWhole))
    .orderBy(desc(runs.createdAt))
    .limit(1);
  return found[0];
}
