import type { MergeCounts } from '../../domain/proof.ts';
import { type Database, inTransaction } from '../database.ts';
import { KEY_ORDER } from './records.ts';

/** A dataset as it stands in a list. */
export interface DatasetLine {
  readonly name: string;
  readonly id: number;
  /** Records that exist at the source, as far as is known; null when there is no telling without counting for long. */
  readonly records: number | null;
  readonly isEstimate: boolean;
  readonly bytes: number;
  readonly partitions: number;
  readonly runs: number;
  readonly lastRun: string | null;
  /** The last complete run over the whole dataset. */
  readonly sweptAt: Date | null;
  readonly sweptBy: string | null;
  /** The last complete step over the whole dataset. */
  readonly steppedAt: Date | null;
  readonly steppedBy: string | null;
}

/** Datasets up to this size are counted; of larger ones PostgreSQL's own estimate is shown. */
const COUNTED_BYTES = 200_000_000;

export async function listDatasetLines(database: Database, name?: string): Promise<DatasetLine[]> {
  const { rows } = await database.pool.query<Omit<DatasetLine, 'isEstimate'>>(
    `select d.name, d.id, p.rows as records, p.bytes, p.partitions, r.runs, r.last as "lastRun", s.finished_at as "sweptAt", s.id as "sweptBy",
            t.finished_at as "steppedAt", t.id as "steppedBy"
     from sheaf.datasets d
     cross join lateral (
       select nullif(sum(greatest(c.reltuples, 0)), 0)::float8 as rows, coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as bytes,
              count(*)::int as partitions
       from pg_class c where ${PARTITION_OF_DATASET}) p
     cross join lateral (select count(*)::int as runs, max(id) as last from sheaf.runs where dataset = d.name) r
     left join lateral (
       select id, finished_at from sheaf.runs w
       where dataset = d.name and state = 'complete' and sheaf.is_full_sweep(w)
       order by created_at desc limit 1) s on true
     left join lateral (
       select id, finished_at from sheaf.runs
       where dataset = d.name and state = 'complete' and request ->> 'filter' is null
         and time_window is not null and request ->> 'select' is null and request ->> 'maxRecords' is null
       order by created_at desc limit 1) t on true
     where $1::text is null or d.name = $1
     order by d.name`,
    [name ?? null],
  );
  return Promise.all(rows.map((row) => withCount(database, row)));
}

const PARTITION_OF_DATASET = `c.relnamespace = 'sheaf'::regnamespace and c.relkind = 'r'
  and c.relname like 'records\\_' || d.id || '\\_%'`;

async function withCount({ pool }: Database, line: Omit<DatasetLine, 'isEstimate'>): Promise<DatasetLine> {
  if (line.bytes > COUNTED_BYTES) return { ...line, isEstimate: true };
  const { rows } = await pool.query<{ count: number }>(
    'select count(*) as count from sheaf.records where dataset = $1 and deleted_at is null',
    [line.name],
  );
  return { ...line, records: rows[0]?.count ?? 0, isEstimate: false };
}

export interface Partition {
  readonly name: string;
  readonly bytes: number;
}

/** The tables that a dataset's records are in. */
export async function listPartitions({ pool }: Database, name: string): Promise<Partition[]> {
  const { rows } = await pool.query<Partition>(
    `select c.relname as name, pg_total_relation_size(c.oid)::float8 as bytes
     from sheaf.datasets d join pg_class c on ${PARTITION_OF_DATASET}
     where d.name = $1 order by c.relname`,
    [name],
  );
  return rows;
}

/** A run that changed a dataset, and what it changed. */
export interface Growth extends MergeCounts {
  readonly at: Date;
}

/** What runs have changed in a dataset, those too whose records led to it, the oldest first; of the newest thousand. */
export async function listGrowth({ pool }: Database, name: string): Promise<Growth[]> {
  const { rows } = await pool.query<{ at: Date; merge: MergeCounts }>(
    `select * from (
       select r.finished_at as at, m.merge
       from sheaf.runs r cross join lateral (
         select r.merge where r.dataset = $1
         union all
         select c || '{"deleted": 0, "rekeyed": 0}' from jsonb_array_elements(r.merge -> 'related') c where c ->> 'dataset' = $1) m
       where (r.dataset = $1 or r.expand is not null)
         and r.merge is not null and r.finished_at is not null and r.merged_generation = r.generation
       order by r.finished_at desc limit 1000) newest
     order by at`,
    [name],
  );
  return rows.map(({ at, merge }) => ({ at, ...merge }));
}

export interface BrowsedRecord {
  readonly key: string;
  /** The beginning of its JSON. */
  readonly text: string;
  readonly changedAt: Date;
  readonly deletedAt: Date | null;
}

export interface RecordSearch {
  /** Only the record with this key. */
  readonly key: string | null;
  /** Only records whose JSON holds this text, in whatever case. */
  readonly text: string | null;
  /** Only records after this key, in the order of their keys. */
  readonly after: string | null;
}

/** Some records of a dataset in the order of their keys, numbers as numbers. Throws what PostgreSQL throws when it takes longer than `limitMs`. */
export async function browseRecords(
  { pool }: Database,
  name: string,
  { search, limit, limitMs }: { readonly search: RecordSearch; readonly limit: number; readonly limitMs: number },
): Promise<BrowsedRecord[]> {
  return inTransaction(pool, async (client) => {
    await client.query(`set local statement_timeout = ${Math.round(limitMs)}`);
    const { rows } = await client.query<BrowsedRecord>(
      `select key, left(data::text, 600) as text, changed_at as "changedAt", deleted_at as "deletedAt"
       from sheaf.records
       where dataset = $1 and ($2::text is null or key = $2) and ($3::text is null or strpos(lower(data::text), lower($3)) > 0)
         and ($4::text is null or (${KEY_ORDER}) > (length($4), $4))
       order by ${KEY_ORDER} limit $5`,
      [name, search.key, search.text, search.after, limit],
    );
    return rows;
  });
}
