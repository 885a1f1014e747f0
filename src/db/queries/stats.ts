import type { Database } from '../database.ts';

export interface DatasetStats {
  readonly dataset: string;
  /** Without those that are marked as deleted. */
  readonly records: number;
  /** Marked as deleted. */
  readonly deleted: number;
  /** Tables and indexes, in bytes. */
  readonly bytes: number;
}

/** Records and room of every dataset, by its partitions. Counts every row: seconds for millions. */
export async function datasetStats({ pool }: Database): Promise<DatasetStats[]> {
  const { rows } = await pool.query<DatasetStats>(
    `with room as (
       select substring(pg_get_expr(c.relpartbound, c.oid) from $$IN \\('(.*)'\\)$$) as dataset,
              (select sum(pg_total_relation_size(t.relid)) from pg_partition_tree(c.oid) t) as bytes
       from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'sheaf.records'::regclass)
     select d.name as dataset, count(r.key) filter (where r.deleted_at is null) as records, count(r.deleted_at) as deleted,
            coalesce(max(room.bytes), 0)::float8 as bytes
     from sheaf.datasets d left join sheaf.records r on r.dataset = d.name
     left join room on room.dataset = replace(d.name, '''', '''''')
     group by d.name order by d.name`,
  );
  return rows;
}

export interface TableStats {
  /** A table, or a group of them. */
  readonly name: string;
  readonly tables: number;
  readonly bytes: number;
}

/** The room that everything else takes: the change log, staging tables, the ledger, and queues that live in PostgreSQL. */
export async function tableStats({ pool }: Database): Promise<TableStats[]> {
  const { rows } = await pool.query<TableStats>(
    `select name, count(*) as tables, sum(bytes)::float8 as bytes
     from (select case when n.nspname = 'bullmq' then 'queues'
                       when c.relname ~ '^changes_\\d' then 'changes'
                       when c.relname ~ '^(staging|related)' then 'staging'
                       else 'ledger' end as name,
                  pg_total_relation_size(c.oid) as bytes
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.relkind = 'r' and n.nspname in ('sheaf', 'bullmq') and c.relname !~ '^records_\\d') t
     group by name order by name`,
  );
  return rows;
}
