import type { FeedPosition } from '../../domain/subscription.ts';
import type { Database } from '../database.ts';
import { readRows } from '../read-texts.ts';
import type { ChangeKind } from './changes.ts';

/** A dataset of a subscription that a worker is at. */
export interface FeedClaim {
  readonly subscriptionId: number;
  readonly dataset: string;
  /** The fence: nothing is written for a claim that another has followed. */
  readonly claim: number;
  readonly replays: number;
  readonly failures: number;
  readonly position: FeedPosition;
  /** The last merge that had changed something when the claim was made. */
  readonly mergedAt: string;
}

interface Lease {
  readonly workerId: number;
  readonly leaseMs: number;
}

const asText = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
/** Nobody living is at it; what this worker ($2) seems to be at, it has had to leave when the database was away. */
const IS_FREE = `(p.worker_id is null or p.worker_id = $2 or p.claimed_until < now() or not sheaf.worker_is_alive(p.worker_id))`;

/** The subscriptions that have something to be told, and nobody living at it. */
export async function dueSubscriptions({ pool }: Database, workerId: number): Promise<number[]> {
  await pool.query('select sheaf.add_feed_positions()');
  const { rows } = await pool.query<{ id: number }>(
    `select distinct p.subscription_id as id from ${DUE} and ($1::integer is null or p.subscription_id = $1) and ${IS_FREE}`,
    [null, workerId],
  );
  return rows.map(({ id }) => id);
}

const DUE = `sheaf.feed_positions p
  join sheaf.subscriptions s on s.id = p.subscription_id join sheaf.datasets d on d.name = p.dataset
  where s.paused_at is null and p.gap_at is null and p.due_at <= now() and d.merged_at >= p.at`;

/** Takes the dataset of a subscription that has waited longest. Undefined when none is due that nobody living is at. */
export async function claimFeed(
  { pool }: Database,
  subscriptionId: number,
  { workerId, leaseMs }: Lease,
): Promise<FeedClaim | undefined> {
  const { rows } = await pool.query<Omit<FeedClaim, 'position'> & { at: string; key: string }>(
    `with due as (
       select p.subscription_id, p.dataset, d.merged_at from ${DUE} and p.subscription_id = $1 and ${IS_FREE}
       order by p.served_at nulls first limit 1 for update of p skip locked)
     update sheaf.feed_positions p
     set claim = p.claim + 1, worker_id = $2, claimed_until = now() + $3 * interval '1 millisecond', served_at = now()
     from due where p.subscription_id = due.subscription_id and p.dataset = due.dataset
     returning p.subscription_id as "subscriptionId", p.dataset, p.claim, p.replays, p.failures,
               ${asText('p.at')} as at, p.key, ${asText('due.merged_at')} as "mergedAt"`,
    [subscriptionId, workerId, leaseMs],
  );
  if (rows[0] === undefined) return undefined;
  const { at, key, ...claim } = rows[0];
  return { ...claim, position: { at, key: key || null } };
}

/** A change as it is told. */
export interface ToldChange {
  readonly at: string;
  readonly key: string;
  readonly kind: ChangeKind;
  readonly run: string;
  /** JSON, with the record as this change left it; the source's own values. */
  readonly text: string;
}

/** A change that takes more is told without what the record was, and if need be without what it is. */
const MOST_BYTES = 400_000;

/** The JSON of a change `c` that has left its record as `c.after`. */
const described = (parts: string, omitted: string) => `(jsonb_build_object(
  'dataset', c.dataset, 'key', c.key, 'kind', c.kind, 'at', ${asText('c.at')}, 'run', c.run_id, 'fields', c.fields,
  'otherKey', c.other_key, 'omitted', ${omitted}) || ${parts})::text`;

const WHOLE = described(`jsonb_build_object('data', c.after, 'before', c.before)`, 'null');
const TEXT = `case
  when octet_length(c.whole) <= ${MOST_BYTES} then c.whole
  when octet_length(c.after::text) <= ${MOST_BYTES}
    then ${described(`jsonb_build_object('data', c.after, 'before', null)`, `jsonb_build_array('before')`)}
  else ${described(`jsonb_build_object('data', null, 'before', null)`, `jsonb_build_array('data', 'before')`)} end`;

/**
 * The record is what this change made of it: where a later change has followed, what that one says it was before. An index
 * leads to it (migration 0015).
 */
const NEXT_CHANGES = `
  with following as materialized (
    select c.* from sheaf.changes c
    where c.dataset = $1 and c.at >= $2::timestamptz and (c.at, c.key) > ($2::timestamptz, $3::text collate "C")
    order by c.at, c.key limit $4
  ), batch as (
    select * from following where at = (select min(at) from following)
  ), told as materialized (
    select b.*, coalesce(n.before, r.data) as after from batch b
    left join lateral (
      select * from sheaf.records where dataset = $1 and key = b.key and b.kind <> 'delete' limit 1) r on true
    left join lateral (
      select c.before from sheaf.changes c
      where r.changed_at > b.at and c.dataset = $1 and c.key = b.key and c.at > b.at and c.kind <> 'insert'
      order by c.at limit 1) n on true)
  select c.key, c.kind, c.run_id as run, ${asText('c.at')} as at, ${TEXT} as text
  from (select c.*, ${WHOLE} as whole from told c order by c.key offset 0) c`;

const ROWS_AT_A_TIME = 50;

export interface BatchLimits {
  readonly changes: number;
  readonly bytes: number;
}

/** Some changes of one merge, in the order of their keys. */
export interface FeedBatch {
  readonly changes: readonly ToldChange[];
  /** Whether there is nothing more of that merge. */
  readonly isLast: boolean;
}

/**
 * Reads what follows a position: changes of one merge, so many and of so many bytes at most, but at least one. From the
 * same position it is the same to the byte, however much is merged meanwhile. Undefined when nothing follows.
 */
export async function readFeed(
  database: Database,
  dataset: string,
  { position, limits }: { readonly position: FeedPosition; readonly limits: BatchLimits },
): Promise<FeedBatch | undefined> {
  const { at, key } = position;
  const changes: ToldChange[] = [];
  let size = 0;
  const values = [dataset, at, key ?? '', limits.changes + 1];
  for await (const rows of readRows<ToldChange>(database, {
    query: NEXT_CHANGES,
    values,
    rowsAtATime: ROWS_AT_A_TIME,
  })) {
    for (const change of rows) {
      size += Buffer.byteLength(change.text);
      if (changes.length === limits.changes || (size > limits.bytes && changes.length > 0))
        return { changes, isLast: false };
      changes.push(change);
    }
  }
  return changes.length === 0 ? undefined : { changes, isLast: true };
}

type Held = Pick<FeedClaim, 'subscriptionId' | 'dataset' | 'claim'>;

/**
 * Moves the position on to what the receiver has taken, or past the end of its merge, and goes on holding it. Returns where
 * it is; undefined when there is nothing to go on with: it is another's now, or paused, or removed, or has a gap.
 */
export async function advanceFeed(
  { pool }: Database,
  { subscriptionId, dataset, claim }: Held,
  {
    position,
    isOver,
    leaseMs,
  }: { readonly position: FeedPosition; readonly isOver: boolean; readonly leaseMs: number },
): Promise<FeedPosition | undefined> {
  const { rows } = await pool.query<{ at: string; key: string; isHalted: boolean }>(
    `update sheaf.feed_positions p
     set at = $4::timestamptz + case when $6 then interval '1 microsecond' else interval '0' end,
         key = case when $6 then '' else $5 end, failures = 0, error = null, delivered_at = now(),
         claimed_until = now() + $7 * interval '1 millisecond'
     from sheaf.subscriptions s
     where s.id = p.subscription_id and p.subscription_id = $1 and p.dataset = $2 and p.claim = $3
     returning ${asText('p.at')} as at, p.key,
               s.paused_at is not null or p.gap_at is not null as "isHalted"`,
    [subscriptionId, dataset, claim, position.at, position.key ?? '', isOver, leaseMs],
  );
  const [row] = rows;
  return row === undefined || row.isHalted ? undefined : { at: row.at, key: row.key || null };
}

/** Lets go of a dataset. */
export async function releaseFeed({ pool }: Database, { subscriptionId, dataset, claim }: Held): Promise<void> {
  await pool.query(
    `update sheaf.feed_positions set worker_id = null, claimed_until = null
     where subscription_id = $1 and dataset = $2 and claim = $3`,
    [subscriptionId, dataset, claim],
  );
}

/** Moves a position past merges of which nothing is left to be told. */
export async function skipFeed(
  { pool }: Database,
  { subscriptionId, dataset, claim, mergedAt }: FeedClaim,
): Promise<void> {
  await pool.query(
    `update sheaf.feed_positions set at = greatest(at, $4::timestamptz + interval '1 microsecond'), key = ''
     where subscription_id = $1 and dataset = $2 and claim = $3 and gap_at is null`,
    [subscriptionId, dataset, claim, mergedAt],
  );
}

/** Notes a try that failed, and when the next one comes. Nothing happens when it has been taken by another since. */
export async function putOffFeed(
  { pool }: Database,
  { subscriptionId, dataset, claim }: Held,
  { error, pauseMs, failures }: { readonly error: string; readonly pauseMs: number; readonly failures: number },
): Promise<void> {
  await pool.query(
    `update sheaf.feed_positions
     set error = $4, failures = $5, due_at = now() + $6 * interval '1 millisecond', worker_id = null, claimed_until = null
     where subscription_id = $1 and dataset = $2 and claim = $3`,
    [subscriptionId, dataset, claim, error, failures, pauseMs],
  );
}
