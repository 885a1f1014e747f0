import type pg from 'pg';
import { type Drift, MOST_DRIFT, recordDriftKinds } from '../../domain/drift.ts';
import type { Database } from '../database.ts';

/**
 * Notes drift of a run; what is noted already, and what is more than `MOST_DRIFT`, is left out. Returns what is new.
 */
export async function noteDrift(
  client: pg.Pool | pg.PoolClient,
  run: string,
  found: readonly Drift[],
): Promise<readonly Drift[]> {
  if (found.length === 0) return [];
  // In one order for all, so that two pages that note the same cannot wait for each other.
  const sorted = found.map(storable).toSorted((a, b) => (a.kind + a.field < b.kind + b.field ? -1 : 1));
  const { rows } = await client.query<Drift>(
    `insert into sheaf.drift (run_id, kind, field, was, "is", key)
     select $1, found.* from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) as found
     limit greatest(0, $7 - (select count(*) from sheaf.drift where run_id = $1))
     on conflict do nothing
     returning kind, field, was, "is", key`,
    [
      run,
      sorted.map(({ kind }) => kind),
      sorted.map(({ field }) => field),
      sorted.map(({ was }) => was),
      sorted.map(({ is }) => is),
      sorted.map(({ key }) => key),
      MOST_DRIFT,
    ],
  );
  return rows;
}

/** What PostgreSQL cannot hold as text, or in an index, must not cost the page that it came with. */
function storable(drift: Drift): Drift {
  return { ...drift, field: shorten(drift.field), key: drift.key === null ? null : shorten(drift.key) };
}

function shorten(text: string): string {
  return text.slice(0, 200).toWellFormed().replaceAll('\0', '\ufffd');
}

/** What has drifted by a run: the metadata first, then the records, by field. */
export async function listDrift({ pool }: Database, run: string): Promise<Drift[]> {
  const { rows } = await pool.query<Drift>(
    `select kind, field, was, "is", key from sheaf.drift where run_id = $1
     order by key is not null, kind = 'view-kept', field collate "C", kind`,
    [run],
  );
  return rows;
}

/** The first drift of records that a run has met with; undefined when there is none. */
export async function findRecordDrift({ pool }: Database, run: string): Promise<Drift | undefined> {
  const { rows } = await pool.query<Drift>(
    `select kind, field, was, "is", key from sheaf.drift
     where run_id = $1 and kind = any($2) order by seen_at, field collate "C" limit 1`,
    [run, [...recordDriftKinds]],
  );
  return rows[0];
}
