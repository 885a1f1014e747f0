import type { Database } from '../database.ts';

/** How far a subscription is behind with a dataset. */
export interface FeedLag {
  readonly subscriptionId: number;
  readonly dataset: string;
  /** Changes that it has not been told, `countsTo` at most. */
  readonly behind: number;
  /** For how long the first of them has been there; 0 when there is none. */
  readonly ageMs: number;
  /** For how long it has been due without anybody living at it; 0 while somebody is. */
  readonly idleMs: number;
  readonly failures: number;
  /** What came of the last try; null when it went well. */
  readonly error: string | null;
  /** When the next try comes; null when the last went well. */
  readonly nextTryAt: Date | null;
  readonly deliveredAt: Date | null;
  /** When changes were dropped that it had not been told; null when none were. */
  readonly gapAt: Date | null;
}

/** The lags of all subscriptions, by dataset. Counts no more than so many changes of each. */
export async function listFeedLags({ pool }: Database, countsTo: number): Promise<FeedLag[]> {
  await pool.query('select sheaf.add_feed_positions()');
  const { rows } = await pool.query<FeedLag>(
    `select p.subscription_id as "subscriptionId", p.dataset, untold.behind,
            coalesce(round(extract(epoch from now() - untold.first) * 1000), 0)::float8 as "ageMs",
            case when p.claimed_until > now() and sheaf.worker_is_alive(p.worker_id) then 0
                 else greatest(0, round(extract(epoch from now() - greatest(p.served_at, p.due_at)) * 1000))::float8
            end as "idleMs", p.failures, p.error, case when p.failures > 0 then p.due_at end as "nextTryAt",
            p.delivered_at as "deliveredAt", p.gap_at as "gapAt"
     from sheaf.feed_positions p
     join sheaf.datasets d on d.name = p.dataset
     cross join lateral (
       select count(*) as behind, min(at) as first
       from (select c.at from sheaf.changes c
             where d.merged_at >= p.at and c.dataset = p.dataset and c.at >= p.at and (c.at, c.key) > (p.at, p.key)
             order by c.at, c.key limit $1) c) untold
     order by p.subscription_id, p.dataset`,
    [countsTo],
  );
  return rows;
}
