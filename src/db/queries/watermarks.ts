import type pg from 'pg';
import type { HarvestRequest, Selection } from '../../domain/harvest-request.ts';
import type { Database } from '../database.ts';

/** Whose watermark is asked for: that of all runs which select the same from the same server. */
export interface WatermarkOf {
  readonly dataset: string;
  readonly sourceUrl: string;
  readonly request: Selection & Pick<HarvestRequest, 'expand'>;
}

/** Up to when, by the source's clock, complete runs have seen what a request selects; null when there was none yet. */
export async function findWatermark({ pool }: Pick<Database, 'pool'>, of: WatermarkOf): Promise<string | null> {
  const { filter, select, expand = null } = of.request;
  const { rows } = await pool.query<{ reached: string }>(
    `select to_char(reached, 'YYYY-MM-DD"T"HH24:MI:SS.US') as reached from sheaf.watermarks
     where dataset = $1 and source_url = $2 and selection = sheaf.selection_of($3::jsonb)`,
    [of.dataset, of.sourceUrl, JSON.stringify({ filter, select, expand })],
  );
  return rows[0]?.reached ?? null;
}

/**
 * Moves the watermark to what the source had when this run was planned, in the transaction that ends the run: all of it
 * has been seen, and what has changed since has a later timestamp. Never back; and by a step only where it has begun at
 * the watermark or before, since what lies between has not been seen. A run that follows relations has seen what one
 * without them would have, and moves that one's watermark, too.
 */
export async function moveWatermark(client: pg.PoolClient, run: string): Promise<void> {
  await client.query(
    `insert into sheaf.watermarks as w (dataset, source_url, selection, filter, fields, reached, run_id)
     select r.dataset, r.source_url, s.name, r.request ->> 'filter', nullif(r.request -> 'select', 'null'),
            r.source_latest, r.id
     from sheaf.runs r
     cross join lateral (select sheaf.selection_of(r.request)
                         union select sheaf.selection_of(r.request - 'expand')) as s (name)
     where r.id = $1 and r.state = 'complete' and r.source_latest is not null and r.request ->> 'maxRecords' is null
       and (r.time_window is null
            or exists (select from sheaf.watermarks o
                       where (o.dataset, o.source_url, o.selection) = (r.dataset, r.source_url, s.name)
                         and o.reached >= (r.time_window ->> 'from')::timestamp))
     on conflict (dataset, source_url, selection) do update
       set reached = excluded.reached, run_id = excluded.run_id, moved_at = now() where w.reached < excluded.reached`,
    [run],
  );
}
