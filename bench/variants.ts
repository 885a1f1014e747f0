import type { Database } from '../src/db/database.ts';

/** A form of the database in which some parts are left out. What the merge itself stands on, the primary key, is in all. */
export interface Variant {
  readonly name: string;
  readonly parts: ReadonlySet<VariantPart>;
}

/** `by key` and `by time` are the secondary indexes of `sheaf.records`; those of `sheaf.changes` belong to the log. */
export type VariantPart = 'log' | 'by key' | 'by time' | 'split';

const variant = (name: string, ...parts: VariantPart[]): Variant => ({ name, parts: new Set(parts) });

export const variants: readonly Variant[] = [
  variant('bare'),
  variant('bare + log of changes', 'log'),
  variant('bare + index by key', 'by key'),
  variant('bare + index by time', 'by time'),
  variant('bare + split by hash', 'split'),
  variant('as shipped', 'log', 'by key', 'by time'),
  variant('as shipped from 10 million on', 'log', 'by key', 'by time', 'split'),
];

/** From so many records on Sheaf splits a dataset; see src/db/queries/partitions.ts. */
const SPLIT_FROM = 10_000_000;

/** What a dataset is told to have in all, which decides how its partition is made. */
export function expectedOf({ parts }: Variant, rows: number): number {
  return parts.has('split') ? SPLIT_FROM : rows;
}

/**
 * A rule that turns notes into an insert of nothing, which the planner sees: neither are they put together, nor sorted. One
 * that does nothing at all is refused where the note is a part of a larger statement, as the merge's is.
 */
const SWALLOW = `
  create table sheaf.unnoted (like sheaf.changes);
  create rule swallow as on insert to sheaf.changes do instead
    insert into sheaf.unnoted (key) select new.key where false`;

/** Leaves out of an empty database what the variant lacks: the first load builds what it then finds. */
export async function leaveOut({ pool }: Database, { parts }: Variant): Promise<void> {
  if (!parts.has('log')) await pool.query(SWALLOW);
  if (!parts.has('by key')) await pool.query('drop index sheaf.records_length_key_dataset_idx');
  if (!parts.has('by time')) await pool.query('drop index sheaf.records_coalesce_idx');
}

interface Found {
  readonly tables: number;
  readonly byKey: number;
  readonly byTime: number;
  readonly noted: number;
}

/** Throws unless a run has been merged with the variant's parts, and no others. `changed`: how many records it has written. */
export async function checkVariant(
  { pool }: Database,
  { name, parts }: Variant,
  { run, changed }: { readonly run: string; readonly changed: number },
): Promise<void> {
  const { rows } = await pool.query<Found>(
    `${WITH_TABLES}
     select (select count(*) from leaves) as tables,
            (select count(*) from indexes where definition like '%length(key)%') as "byKey",
            (select count(*) from indexes where definition like '%brin%') as "byTime",
            (select count(*) from sheaf.changes where run_id = $1) as noted
`,
    [run],
  );
  const tables = parts.has('split') ? 8 : 1;
  const indexed = (part: VariantPart) => (parts.has(part) ? tables : 0);
  const wanted: Found = {
    tables,
    byKey: indexed('by key'),
    byTime: indexed('by time'),
    noted: parts.has('log') ? changed : 0,
  };
  for (const what of Object.keys(wanted) as (keyof Found)[])
    if (rows[0]?.[what] !== wanted[what])
      throw new Error(`${name}: ${what} is ${rows[0]?.[what]}, and not ${wanted[what]}`);
}

/** The tables that hold the records, and their indexes. */
const WITH_TABLES = `
  with leaves as (select relid from pg_partition_tree('sheaf.records') where isleaf),
       indexes as (select pg_get_indexdef(indexrelid) as definition from pg_index join leaves on indrelid = relid) `;

/** Bytes on the disk. */
export interface Disk {
  readonly records: number;
  readonly indexes: number;
  /** The log of changes, with its indexes. */
  readonly log: number;
}

export async function readDisk({ pool }: Database): Promise<Disk> {
  const { rows } = await pool.query<Disk>(
    `${WITH_TABLES}
     select (select sum(pg_table_size(relid)) from leaves)::bigint as records,
            (select sum(pg_indexes_size(relid)) from leaves)::bigint as indexes,
            (select sum(pg_total_relation_size(relid)) from pg_partition_tree('sheaf.changes'))::bigint as log`,
  );
  if (rows[0] === undefined) throw new Error('the server told nothing of its tables');
  return rows[0];
}
