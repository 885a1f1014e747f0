import { changesKnownFrom } from '../db/queries/changes.ts';
import { type FeedLag, listFeedLags } from '../db/queries/feed-lags.ts';
import {
  deleteSubscription,
  type FeedStart,
  getSubscription,
  insertSubscription,
  listSubscriptions,
  type NewSubscription,
  pauseSubscription,
  replaySubscription,
  resumeSubscription,
} from '../db/queries/subscriptions.ts';
import type { SubscriptionRow } from '../db/schema.ts';
import type { Actor } from '../domain/actor.ts';
import { datasetName, parseDataset } from '../domain/dataset.ts';
import { UsageError } from '../domain/errors.ts';
import { checkSubscriptionName, type SubscriptionKind, type SubscriptionState } from '../domain/subscription.ts';
import { audited } from './audited.ts';
import type { SheafContext } from './context.ts';
import { findKnownDataset } from './inspect.ts';

export type { FeedStart, NewSubscription } from '../db/queries/subscriptions.ts';

type Context = Pick<SheafContext, 'database' | 'settings'>;

/** How far a subscription is with a dataset, as `sheaf feed list --json` prints it. */
export interface FeedProgress {
  readonly dataset: string;
  /** Changes that it has not been told; `MOST_COUNTED` stands for that many or more. */
  readonly behind: number;
  /** For how long the first of them has been there. */
  readonly ageMs: number;
  readonly failures: number;
  readonly error: string | null;
  readonly nextTryAt: string | null;
  readonly deliveredAt: string | null;
  /** When changes were dropped that it had not been told. */
  readonly gapAt: string | null;
}

/** A subscription, as `sheaf feed list --json` prints it. Scripts rely on these names. */
export interface SubscriptionReport {
  readonly name: string;
  readonly kind: SubscriptionKind;
  /** The URL, or the brokers. */
  readonly target: string;
  /** Of Kafka's topics; null for a webhook. */
  readonly prefix: string | null;
  readonly tombstones: boolean;
  readonly state: SubscriptionState;
  /** Why it is paused, when it was not a person who did it. */
  readonly reason: string | null;
  /** Null for all, those to come too. */
  readonly datasets: readonly string[] | null;
  readonly behind: number;
  readonly ageMs: number;
  /** For how long nobody has been there to tell it, though changes wait; 0 while somebody is. */
  readonly untendedMs: number;
  readonly createdAt: string;
  readonly progress: readonly FeedProgress[];
}

/** Of each dataset no more changes are counted. */
export const MOST_COUNTED = 10_000;

/** Writes a subscription down. Throws a UsageError for a name that is taken, or a dataset that was never harvested. */
export async function addSubscription(context: Context, asked: NewSubscription, actor: Actor): Promise<void> {
  checkSubscriptionName(asked.name);
  const datasets = await knownDatasets(context, asked.datasets);
  await noted(context, { action: 'add', name: asked.name, actor }, () =>
    insertSubscription(context.database, { ...asked, datasets }),
  );
}

async function knownDatasets(context: Context, asked: readonly string[] | null): Promise<string[] | null> {
  if (asked === null) return null;
  const names = [...new Set(asked.map((each) => datasetName(parseDataset(each))))];
  for (const name of names) await findKnownDataset(context, name);
  return names;
}

export async function removeSubscription(context: Context, name: string, actor: Actor): Promise<void> {
  const { id } = await getSubscription(context.database, name);
  await noted(context, { action: 'remove', name, actor }, () => deleteSubscription(context.database, id));
}

export async function pauseFeed(context: Context, name: string, actor: Actor): Promise<void> {
  const { id } = await getSubscription(context.database, name);
  await noted(context, { action: 'pause', name, actor }, async () => {
    if (await pauseSubscription(context.database, id, null)) return;
    throw new UsageError(`Subscription ${name} is paused already.`, { code: 'cannot-pause', facts: { name } });
  });
}

/** Ends a pause, or the wait after a failed try. */
export async function resumeFeed(context: Context, name: string, actor: Actor): Promise<void> {
  const { id } = await getSubscription(context.database, name);
  await noted(context, { action: 'resume', name, actor }, async () => {
    if (await resumeSubscription(context.database, id)) return;
    throw new UsageError(`Subscription ${name} is neither paused nor waiting for another try.`, {
      code: 'cannot-resume',
      facts: { name },
    });
  });
}

export interface Replay {
  readonly name: string;
  readonly from: FeedStart;
  /** Null for all that it has. */
  readonly datasets: readonly string[] | null;
}

/** Has a subscriber told anew from a moment on. Returns the datasets. */
export async function replayFeed(context: Context, { name, from, datasets }: Replay, actor: Actor): Promise<string[]> {
  const subscription = await getSubscription(context.database, name);
  const known = await knownDatasets(context, datasets);
  const strange = known?.find((each) => subscription.datasets?.includes(each) === false);
  if (strange !== undefined)
    throw new UsageError(`Subscription ${name} is not to ${strange}, but to ${subscription.datasets?.join(', ')}.`, {
      code: 'not-subscribed',
      facts: { name, dataset: strange },
    });
  return noted(context, { action: 'replay', name, actor }, () =>
    replaySubscription(context.database, subscription.id, { from, datasets: known }),
  );
}

/** When changes began to be known, where that is later than what was asked for; else null. */
export async function startsLater({ database }: Pick<Context, 'database'>, from: FeedStart): Promise<Date | null> {
  const known = await changesKnownFrom(database);
  return from instanceof Date && from < known ? known : null;
}

function noted<T>(
  { database }: Context,
  { action, name, actor }: { readonly action: string; readonly name: string; readonly actor: Actor },
  work: () => Promise<T>,
): Promise<T> {
  return audited(database, { actor, action, target: { kind: 'subscription', id: name } }, { work });
}

/** All subscriptions by name, with how far they are. */
export async function describeSubscriptions({ database }: Pick<Context, 'database'>): Promise<SubscriptionReport[]> {
  const lags = await listFeedLags(database, MOST_COUNTED);
  const subscriptions = await listSubscriptions(database);
  return subscriptions.map((each) =>
    describe(
      each,
      lags.filter(({ subscriptionId }) => subscriptionId === each.id),
    ),
  );
}

function describe(subscription: SubscriptionRow, lags: readonly FeedLag[]): SubscriptionReport {
  const { name, kind, target, prefix, tombstones, datasets, pausedFor, createdAt } = subscription;
  return {
    ...{ name, kind, target, prefix, tombstones, datasets },
    state: stateOf(subscription, lags),
    reason: pausedFor,
    behind: lags.reduce((sum, { behind }) => sum + behind, 0),
    ageMs: Math.max(0, ...lags.map(({ ageMs }) => ageMs)),
    untendedMs: subscription.pausedAt === null ? untendedMs(lags) : 0,
    createdAt: createdAt.toISOString(),
    progress: lags.map(({ subscriptionId: _, idleMs: __, nextTryAt, deliveredAt, gapAt, ...lag }) => ({
      ...lag,
      nextTryAt: nextTryAt?.toISOString() ?? null,
      deliveredAt: deliveredAt?.toISOString() ?? null,
      gapAt: gapAt?.toISOString() ?? null,
    })),
  };
}

/** Datasets are told one after another: whoever is at one of them tends the subscription. */
function untendedMs(lags: readonly FeedLag[]): number {
  const open = lags.filter(({ gapAt }) => gapAt === null);
  return Math.min(Math.max(0, ...open.map(({ ageMs }) => ageMs)), ...open.map(({ idleMs }) => idleMs));
}

function stateOf({ pausedAt }: SubscriptionRow, lags: readonly FeedLag[]): SubscriptionState {
  if (pausedAt !== null) return 'paused';
  if (lags.some(({ gapAt }) => gapAt !== null)) return 'gap';
  return lags.some(({ failures }) => failures > 0) ? 'failing' : 'active';
}
