import type { StoredError } from '../../domain/errors.ts';
import type { Channel } from '../../domain/notification.ts';
import type { RunState } from '../../domain/run.ts';
import type { Database } from '../database.ts';

/** How a run ended, to be told on one channel. The trigger of migration 0011 writes it with the end itself. */
export interface Notification {
  readonly number: number;
  /** Of the message, for its receiver. */
  readonly id: string;
  readonly channel: Channel;
  readonly run: string;
  readonly runState: RunState;
  readonly reason: string | null;
  readonly error: StoredError | null;
  readonly endedAt: Date;
  /** Tries begun, this one included; the fence of whoever holds it. */
  readonly attempts: number;
  /** The message as it was first sent; null before that. */
  readonly body: string | null;
}

/** Closes what nobody wants to be told on this channel. */
export async function closeUnwanted({ pool }: Database, channel: Channel, wanted: readonly RunState[]): Promise<void> {
  await pool.query(
    `update sheaf.notifications set state = 'unwanted', settled_at = now()
     where state = 'waiting' and channel = $1 and attempts = 0 and run_state <> all ($2)`,
    [channel, wanted],
  );
}

interface Lease {
  readonly workerId: number;
  readonly leaseMs: number;
  /** After the first try, the second, and so on. */
  readonly pausesMs: readonly number[];
}

/**
 * Takes the next notification that is due, unless a living worker is at it. Those of one run are taken in order: one
 * that has not been delivered holds back the later ones. Undefined when there is none. It is held for `leaseMs`, or for
 * the pause after a failed try where that is longer: who cannot note how a try went has paused all the same.
 */
export async function claimNotification(
  { pool }: Database,
  channel: Channel,
  { workerId, leaseMs, pausesMs }: Lease,
): Promise<Notification | undefined> {
  const { rows } = await pool.query<Notification>(
    `update sheaf.notifications n
     set attempts = attempts + 1, worker_id = $2,
         claimed_until = now() + greatest($3, ($4::int[])[n.attempts + 1]) * interval '1 millisecond'
     where n.number = (
       select c.number from sheaf.notifications c
       where c.state = 'waiting' and c.channel = $1 and c.due_at <= now()
         and (c.worker_id is null or c.claimed_until < now() or not sheaf.worker_is_alive(c.worker_id))
         and not exists (select from sheaf.notifications e
                         where e.run_id = c.run_id and e.channel = c.channel and e.state = 'waiting'
                           and e.number < c.number)
       order by c.number limit 1 for update skip locked)
     returning n.number, n.id, n.channel, n.run_id as run, n.run_state as "runState", n.reason, n.error,
               n.ended_at as "endedAt", n.attempts, n.body`,
    [channel, workerId, leaseMs, pausesMs],
  );
  return rows[0];
}

type Exhausted = Pick<Notification, 'id' | 'run' | 'attempts'>;

/** Gives up what was tried `tries` times without a word on how the last try went: whoever tried died, or could not note it. */
export async function giveUpExhausted(
  { pool }: Database,
  channel: Channel,
  { tries, detail }: { readonly tries: number; readonly detail: string },
): Promise<Exhausted[]> {
  const { rows } = await pool.query<Exhausted>(
    `update sheaf.notifications
     set state = 'given-up', detail = $3, settled_at = now(), worker_id = null, claimed_until = null
     where state = 'waiting' and channel = $1 and attempts >= $2
       and (worker_id is null or claimed_until < now() or not sheaf.worker_is_alive(worker_id))
     returning id, run_id as run, attempts`,
    [channel, tries, detail],
  );
  return rows;
}

type Held = Pick<Notification, 'number' | 'attempts'>;

/** Keeps the message before it is first sent, so that every try says the same. */
export async function keepBody({ pool }: Database, { number, attempts }: Held, body: string): Promise<void> {
  await pool.query('update sheaf.notifications set body = $3 where number = $1 and attempts = $2', [
    number,
    attempts,
    body,
  ]);
}

/** Ends a notification. Nothing happens when it has been taken by another since. */
export async function settleNotification(
  { pool }: Database,
  { number, attempts }: Held,
  { state, detail }: { readonly state: 'delivered' | 'given-up'; readonly detail: string },
): Promise<void> {
  await pool.query(
    `update sheaf.notifications set state = $3, detail = $4, settled_at = now(), worker_id = null, claimed_until = null
     where number = $1 and attempts = $2 and state = 'waiting'`,
    [number, attempts, state, detail],
  );
}

/**
 * Has a notification tried again after a pause, with so many tries counted. Nothing happens when it has been taken by
 * another since.
 */
export async function putOffNotification(
  { pool }: Database,
  { number, attempts }: Held,
  { pauseMs, detail, counted }: { readonly pauseMs: number; readonly detail: string; readonly counted: number },
): Promise<void> {
  await pool.query(
    `update sheaf.notifications
     set due_at = now() + $3 * interval '1 millisecond', detail = $4, attempts = $5,
         worker_id = null, claimed_until = null
     where number = $1 and attempts = $2 and state = 'waiting'`,
    [number, attempts, pauseMs, detail, counted],
  );
}

/**
 * Throws away what nobody tried to deliver within a day, since no worker is set up to, and what was settled a month ago.
 * What was tried, and then by nobody any more for three days, is given up.
 */
export async function pruneNotifications({ pool }: Database): Promise<void> {
  await pool.query(
    `delete from sheaf.notifications
     where state = 'waiting' and attempts = 0 and ended_at < now() - interval '1 day'
        or settled_at < now() - interval '30 days'`,
  );
  await pool.query(
    `update sheaf.notifications set state = 'given-up', settled_at = now()
     where state = 'waiting' and attempts > 0 and due_at < now() - interval '3 days'`,
  );
}
