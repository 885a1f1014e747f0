import { UsageError } from '../../domain/errors.ts';
import { didYouMean } from '../../domain/nearest.ts';
import type { SubscriptionTarget } from '../../domain/subscription.ts';
import { type Database, inTransaction } from '../database.ts';
import { asc, eq } from '../drizzle.ts';
import { type SubscriptionRow, subscriptions } from '../schema.ts';

/** Where a subscriber begins: after the last merge, with the first change that is known, or with a moment. */
export type FeedStart = 'now' | 'start' | Date;

export type NewSubscription = SubscriptionTarget & {
  readonly name: string;
  /** Null for all, those to come too. */
  readonly datasets: readonly string[] | null;
  readonly from: FeedStart;
};

/**
 * Where a position begins, as SQL: $2 is `now`, `start` or a moment; what is no longer known cannot be told. Never
 * later than right after the last merge: one that is under way bears the moment at which it began, and whoever begins after
 * that would never be told of it.
 */
const BEGINNING = `
  case $2::text
    when 'now' then greatest(d.merged_at + interval '1 microsecond', i.changes_from)
    when 'start' then i.changes_from
    else greatest(i.changes_from,
                  least($2::timestamptz, coalesce(d.merged_at + interval '1 microsecond', '-infinity'))) end`;

const startText = (from: FeedStart): string => (from instanceof Date ? from.toISOString() : from);

/** Writes a subscription down, with a position for each dataset. Throws a UsageError when there is one of that name. */
export async function insertSubscription({ pool }: Database, subscription: NewSubscription): Promise<void> {
  const { name, kind, target, prefix, tombstones, datasets, from } = subscription;
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ id: number }>(
      `insert into sheaf.subscriptions (name, kind, target, prefix, tombstones, datasets) values ($1, $2, $3, $4, $5, $6)
       on conflict (name) do nothing returning id`,
      [name, kind, target, prefix, tombstones, datasets],
    );
    if (rows[0] === undefined)
      throw new UsageError(
        `There is a subscription "${name}" already. Choose another name, or remove that one first: sheaf feed remove ${name}`,
        { code: 'subscription-exists', facts: { subscription: name } },
      );
    await client.query(
      `insert into sheaf.feed_positions (subscription_id, dataset, at)
       select $1, d.name, ${BEGINNING} from sheaf.datasets d cross join sheaf.installation i
       where $3::text[] is null or d.name = any ($3)`,
      [rows[0].id, startText(from), datasets],
    );
  });
}

/** Throws a UsageError that names the nearest for a name that is not known. */
export async function getSubscription(database: Database, name: string): Promise<SubscriptionRow> {
  const rows = await database.orm.select().from(subscriptions).where(eq(subscriptions.name, name));
  if (rows[0] !== undefined) return rows[0];
  const names = (await listSubscriptions(database)).map((each) => each.name);
  throw new UsageError(
    `There is no subscription "${name}".${didYouMean(name, names)} \`sheaf feed list\` shows what there is.`,
    { code: 'unknown-subscription', facts: { asked: name } },
  );
}

export async function listSubscriptions({ orm }: Database): Promise<SubscriptionRow[]> {
  return orm.select().from(subscriptions).orderBy(asc(subscriptions.name));
}

export async function deleteSubscription({ pool }: Database, id: number): Promise<void> {
  await pool.query('delete from sheaf.subscriptions where id = $1', [id]);
}

/** Pauses a subscription; `reason` is null when a person does it. False when it was paused already. */
export async function pauseSubscription({ pool }: Database, id: number, reason: string | null): Promise<boolean> {
  const { rowCount } = await pool.query(
    'update sheaf.subscriptions set paused_at = now(), paused_for = $2 where id = $1 and paused_at is null',
    [id, reason],
  );
  return rowCount === 1;
}

/** Ends a pause, and the wait after a failed try. False when there was neither. */
export async function resumeSubscription({ pool }: Database, id: number): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const resumed = await client.query(
      'update sheaf.subscriptions set paused_at = null, paused_for = null where id = $1 and paused_at is not null',
      [id],
    );
    const due = await client.query(
      `update sheaf.feed_positions set due_at = now(), failures = 0, error = null
       where subscription_id = $1 and (failures > 0 or $2)`,
      [id, resumed.rowCount === 1],
    );
    return resumed.rowCount === 1 || (due.rowCount ?? 0) > 0;
  });
}

/**
 * Sets positions anew, of all its datasets or of some. Whoever is at one of them is fenced off, and what is told again has
 * other ids. Returns the datasets.
 */
export async function replaySubscription(
  { pool }: Database,
  id: number,
  { from, datasets }: { readonly from: FeedStart; readonly datasets: readonly string[] | null },
): Promise<string[]> {
  await pool.query('select sheaf.add_feed_positions()');
  const { rows } = await pool.query<{ dataset: string }>(
    `update sheaf.feed_positions p
     set at = ${BEGINNING}, key = '', claim = claim + 1, replays = replays + 1, worker_id = null, claimed_until = null,
         failures = 0, due_at = now(), error = null, gap_at = null
     from sheaf.datasets d cross join sheaf.installation i
     where p.subscription_id = $1 and d.name = p.dataset and ($3::text[] is null or p.dataset = any ($3))
     returning p.dataset`,
    [id, startText(from), datasets],
  );
  return rows.map(({ dataset }) => dataset);
}
