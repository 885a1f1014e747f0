import type { Database } from '../database.ts';

export const changeKinds = ['insert', 'update', 'delete'] as const;
export type ChangeKind = (typeof changeKinds)[number];

/** The newest change of a record. */
export interface Change {
  readonly key: string;
  readonly kind: ChangeKind;
  /** ISO 8601 in UTC, to the microsecond. */
  readonly at: string;
}

export interface ChangeQuery {
  /** Only changes at this time or later; null for all. */
  readonly since: string | null;
  /** The last change of the page before; null for the first page. */
  readonly after: Pick<Change, 'at' | 'key'> | null;
  readonly limit: number;
}

const AT = 'coalesce(deleted_at, changed_at)';

/** The newest change of each record of a dataset, by time, those of the same time by key. */
export async function pageOfChanges(
  { pool }: Pick<Database, 'pool'>,
  dataset: string,
  { since, after, limit }: ChangeQuery,
): Promise<Change[]> {
  const { rows } = await pool.query<Change>(
    `select key, to_char(${AT} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
            case when deleted_at is not null then 'delete' when first_seen_at = changed_at then 'insert' else 'update' end as kind
     from sheaf.records
     where dataset = $1 and ${AT} >= greatest($2::timestamptz, $3::timestamptz, '-infinity')
       and ($3::timestamptz is null or (${AT}, key) > ($3::timestamptz, $4::text))
     order by ${AT}, key limit $5`,
    [dataset, since, after?.at ?? null, after?.key ?? null, limit],
  );
  return rows;
}
