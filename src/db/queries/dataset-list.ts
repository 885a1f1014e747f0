import type { Field } from '../../domain/record.ts';
import type { RunState } from '../../domain/run.ts';
import type { Database } from '../database.ts';

/** Up to so many rows are counted; more are taken from PostgreSQL's statistics, which the planner goes by, too. */
const COUNTED_ROWS = 1_000_000;

export interface ListedDataset {
  readonly name: string;
  readonly keyField: string;
  readonly fields: readonly Field[];
  readonly createdAt: Date;
  readonly lastRun: LastRun | null;
  readonly lastCompleteRun: LastRun | null;
  /** The tables that hold its records. */
  readonly partitions: readonly Partition[];
}

export interface LastRun {
  readonly run: string;
  readonly state: RunState;
  /** ISO 8601. */
  readonly createdAt: string;
}

export interface Partition {
  readonly table: string;
  /** With its indexes. */
  readonly bytes: number;
  /** As PostgreSQL estimates them, deleted ones included; null before it has ever looked. */
  readonly estimatedRows: number | null;
}

/** Datasets by name; only those behind `after`. */
export async function pageOfDatasets(
  { pool }: Pick<Database, 'pool'>,
  { name, after, limit }: { readonly name: string | null; readonly after: string | null; readonly limit: number },
): Promise<ListedDataset[]> {
  const { rows } = await pool.query<ListedDataset>(
    `select d.name, d.key_field as "keyField", d.fields, d.created_at as "createdAt",
            (${lastRun('true')}) as "lastRun", (${lastRun(`state = 'complete'`)}) as "lastCompleteRun",
            coalesce((${PARTITIONS}), '[]') as partitions
     from sheaf.datasets d
     where ($1::text is null or d.name = $1) and ($2::text is null or d.name > $2) order by d.name limit $3`,
    [name, after, limit],
  );
  return rows;
}

function lastRun(condition: string): string {
  return `select jsonb_build_object('run', id, 'state', state, 'createdAt', created_at)
          from sheaf.runs where dataset = d.name and ${condition} order by created_at desc limit 1`;
}

/** A dataset's table is named after its id, see partitions.ts; where it is large, that is split by hash. */
const PARTITIONS = `
  select jsonb_agg(jsonb_build_object(
           'table', leaf.relid::text, 'bytes', pg_total_relation_size(leaf.relid),
           'estimatedRows', case when c.reltuples >= 0 then c.reltuples::bigint end) order by leaf.relid::text)
  from pg_inherits i
  join pg_class p on p.oid = i.inhrelid and p.relname like 'records\\_' || d.id || '\\_%'
  cross join lateral pg_partition_tree(p.oid) leaf
  join pg_class c on c.oid = leaf.relid
  where i.inhparent = 'sheaf.records'::regclass and leaf.isleaf`;

/** How many records a dataset has now: counted where that is quick, else estimated. */
export async function countRecords(
  { pool }: Pick<Database, 'pool'>,
  { name, partitions }: Pick<ListedDataset, 'name' | 'partitions'>,
): Promise<{ readonly rows: number; readonly isEstimate: boolean }> {
  const estimate = partitions.reduce((sum, { estimatedRows }) => sum + (estimatedRows ?? 0), 0);
  if (estimate > COUNTED_ROWS) return { rows: estimate, isEstimate: true };
  const { rows } = await pool.query<{ count: number }>(
    'select count(*) as count from sheaf.records where dataset = $1 and deleted_at is null',
    [name],
  );
  return { rows: rows[0]?.count ?? 0, isEstimate: false };
}
