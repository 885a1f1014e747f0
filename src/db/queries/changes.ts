import type { Database } from '../database.ts';
import { readTexts } from '../read-texts.ts';

export const changeKinds = ['insert', 'update', 'delete'] as const;
export type ChangeKind = (typeof changeKinds)[number];

/** Which changes of a dataset; null for any. */
export interface ChangeFilter {
  readonly dataset: string;
  /** Only those at or after it. */
  readonly since: Date | null;
  readonly run: string | null;
  readonly kind: ChangeKind | null;
}

const AT = `to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** A change as JSON: `before` is the record as it was, with the source's own values. */
const AS_JSON = `jsonb_build_object(
  'at', ${AT}, 'dataset', dataset, 'key', key, 'kind', kind,
  'run', run_id, 'fields', fields, 'otherKey', other_key, 'before', before)::text`;

const CHOSEN = `dataset = $1 and at >= coalesce($2::timestamptz, '-infinity') and ($3::text is null or run_id = $3)
  and ($4::text is null or kind = $4)`;

/** The changes of a dataset in the order in which they were merged, as JSON texts, some thousands at a time. */
export function readChanges(
  database: Database,
  { dataset, since, run, kind }: ChangeFilter,
  limit: number | null,
): AsyncGenerator<string[]> {
  return readTexts(
    database,
    `select ${AS_JSON} as text from sheaf.changes where ${CHOSEN} order by at, length(key), key limit $5`,
    [dataset, since, run, kind, limit],
  );
}

export interface Change {
  readonly key: string;
  readonly kind: ChangeKind;
  /** ISO 8601 in UTC, to the microsecond. */
  readonly at: string;
  readonly run: string;
  /** Of an update, the fields that differ. */
  readonly fields: string[] | null;
  /** The key of the record that this one came back as, or was. */
  readonly otherKey: string | null;
}

export interface ChangeQuery {
  /** Only changes at this time or later; null for all. */
  readonly since: string | null;
  /** The last change of the page before; null for the first page. */
  readonly after: Pick<Change, 'at' | 'key'> | null;
  readonly limit: number;
}

/** A page of a dataset's changes in the order in which they were merged, those of one merge by key. */
export async function pageOfChanges(
  { pool }: Pick<Database, 'pool'>,
  dataset: string,
  { since, after, limit }: ChangeQuery,
): Promise<Change[]> {
  const { rows } = await pool.query<Change>(
    `select key, kind, ${AT} as at, run_id as run, fields, other_key as "otherKey" from sheaf.changes
     where dataset = $1 and at >= greatest($2::timestamptz, $3::timestamptz, '-infinity')
       and ($3::timestamptz is null or (at, key) > ($3::timestamptz, $4::text collate "C"))
     order by at, key limit $5`,
    [dataset, since, after?.at ?? null, after?.key ?? null, limit],
  );
  return rows;
}

export type ChangeCounts = Readonly<Record<ChangeKind, number>>;

export async function countChanges(
  { pool }: Database,
  { dataset, since, run, kind }: ChangeFilter,
): Promise<ChangeCounts> {
  const { rows } = await pool.query<ChangeCounts>(
    `select count(*) filter (where kind = 'insert') as insert, count(*) filter (where kind = 'update') as update,
            count(*) filter (where kind = 'delete') as delete
     from sheaf.changes where ${CHOSEN}`,
    [dataset, since, run, kind],
  );
  return rows[0] ?? { insert: 0, update: 0, delete: 0 };
}

/** The run whose merge was the last to change something. */
export async function newestChangingRun({ pool }: Database, dataset: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ run: string }>(
    'select run_id as run from sheaf.changes where dataset = $1 order by at desc limit 1',
    [dataset],
  );
  return rows[0]?.run;
}

/** Changes before this are not known. */
export async function changesKnownFrom({ pool }: Database): Promise<Date> {
  const { rows } = await pool.query<{ from: Date }>('select changes_from as from from sheaf.installation');
  if (rows[0] === undefined) throw new Error('the installation has no row');
  return rows[0].from;
}

export interface MaintainedChanges {
  /** Months that were dropped. */
  readonly dropped: readonly string[];
  /** The first month that is old enough to be dropped, and kept for a subscriber that has not had it; null for none. */
  readonly held: string | null;
  /** The first month that is to be dropped when no merge is under way any more; null for none. */
  readonly postponed: string | null;
  /** Who will never have what was dropped. */
  readonly gaps: readonly { readonly subscription: string; readonly dataset: string }[];
}

/** How many whole months of changes are kept, and for how many more for subscribers that have not had them. */
export interface KeptMonths {
  readonly months: number;
  readonly held: number;
}

/** Makes the months of the change log that will be needed, and drops those that are too old. */
export async function maintainChanges({ pool }: Database, { months, held }: KeptMonths): Promise<MaintainedChanges> {
  await pool.query('select sheaf.make_change_months(2)');
  const { rows } = await pool.query<{ outcome: string; name: string; dataset: string }>(
    'select outcome, name, dataset from sheaf.drop_change_months($1, $2)',
    [months, held],
  );
  const namesOf = (wanted: string) => rows.filter(({ outcome }) => outcome === wanted).map(({ name }) => name);
  return {
    dropped: namesOf('dropped'),
    held: namesOf('held')[0] ?? null,
    postponed: namesOf('postponed')[0] ?? null,
    gaps: rows.filter(({ outcome }) => outcome === 'gap').map(({ name, dataset }) => ({ subscription: name, dataset })),
  };
}
