import { createHash } from 'node:crypto';
import type { Database } from '../db/database.ts';
import {
  advanceFeed,
  type BatchLimits,
  claimFeed,
  dueSubscriptions,
  type FeedBatch,
  type FeedClaim,
  putOffFeed,
  readFeed,
  releaseFeed,
  skipFeed,
} from '../db/queries/feed.ts';
import { listSubscriptions, pauseSubscription } from '../db/queries/subscriptions.ts';
import type { SubscriptionRow } from '../db/schema.ts';
import { type FeedPosition, pauseAfterFailures } from '../domain/subscription.ts';
import type { Delivery } from '../notifications/delivery.ts';
import type { FeedTry, Telemetry } from '../telemetry/events.ts';
import type { FeedMessage, Target } from './target.ts';

export interface FeedContext {
  readonly database: Database;
  readonly telemetry: Telemetry;
  /** This process in the ledger. */
  readonly workerId: number;
  /** What tells messages of this Sheaf from those of another. */
  readonly installation: string;
  /** Why this process cannot tell a subscriber, and leaves that to others; null when it can. */
  readonly whyNot: (subscription: SubscriptionRow) => Promise<string | null>;
  /** Never throws for what is wrong with a target: its tries fail, and say so. */
  readonly openTarget: (subscription: SubscriptionRow) => Promise<Target>;
  /** Told of what went wrong here, and not at a receiver. */
  readonly onError: (error: unknown) => void;
}

export interface Feeder {
  /** Tells all subscribers what they have not been told. Resolves when it has, or tried. */
  tend(): Promise<void>;
  /** Begins nothing new, and breaks off what takes longer than some seconds. Safe twice. */
  stop(): Promise<void>;
}

/** A try takes a minute at most; a worker that has said nothing for longer has lost it. */
const LEASE_MS = 120_000;
/** A process that ends breaks off after this: its supervisor kills it soon, and others are there to go on. */
const LAST_MS = 3_000;
/** So much at once. It may fit into one request to Kafka, which takes a megabyte. */
const LIMITS: BatchLimits = { changes: 500, bytes: 512_000 };
/** After so many the next dataset has its turn: one with millions of changes must not hold up the others. */
const BATCHES_IN_TURN = 20;

/**
 * Tells subscribers of changes, at least once each, and in their order for each dataset. A position in the ledger says how
 * far a subscriber has been told; it moves when the receiver has taken a batch, and only by whoever holds it. What was sent
 * by a worker that died before it could note so is sent again, with the same id. Subscribers are served side by side: one
 * that is slow or away holds up no other.
 */
export function createFeeder(context: FeedContext): Feeder {
  const ending = new AbortController();
  const served = new Map<number, Promise<void>>();
  const said = new Set<string>();
  let isStopped = false;
  const isOver = () => isStopped;

  // No try, and so no failure: one would put off those who can.
  const isLeft = async (subscription: SubscriptionRow): Promise<boolean> => {
    const reason = await context.whyNot(subscription);
    const words = `${subscription.id} ${reason}`;
    if (reason !== null && !said.has(words))
      context.telemetry.emit('feed.left', { subscription: subscription.name, reason });
    said.add(words);
    return reason !== null;
  };

  const tend = async (): Promise<void> => {
    if (isStopped) return;
    const due = new Set(await dueSubscriptions(context.database, context.workerId));
    const idle = due.size === 0 ? [] : await listSubscriptions(context.database);
    for (const subscription of idle.filter(({ id }) => due.has(id) && !served.has(id))) {
      if (await isLeft(subscription)) continue;
      if (isStopped) break;
      if (served.has(subscription.id)) continue; // by another call, meanwhile
      const serving = serve(context, subscription, { stop: ending.signal, isOver })
        .catch(context.onError)
        .finally(() => served.delete(subscription.id));
      served.set(subscription.id, serving);
    }
    await Promise.all(served.values());
  };

  return {
    tend,
    stop: async () => {
      isStopped = true;
      const timer = setTimeout(() => ending.abort(), LAST_MS);
      await Promise.all(served.values()).finally(() => clearTimeout(timer));
    },
  };
}

interface Means {
  readonly subscription: SubscriptionRow;
  readonly target: Target;
  readonly stop: AbortSignal;
  /** True when nothing more is to be begun. */
  readonly isOver: () => boolean;
}

/** Serves one subscriber until nothing is due. */
async function serve(
  context: FeedContext,
  subscription: SubscriptionRow,
  ending: Pick<Means, 'stop' | 'isOver'>,
): Promise<void> {
  const target = await context.openTarget(subscription);
  const means = { subscription, target, ...ending };
  try {
    while (!ending.isOver()) {
      const claim = await claimFeed(context.database, subscription.id, {
        workerId: context.workerId,
        leaseMs: LEASE_MS,
      });
      if (claim === undefined) return;
      await takeTurn(context, means, claim);
    }
  } finally {
    await target.close();
  }
}

/** Tells of one dataset, some batches at most. */
async function takeTurn(context: FeedContext, means: Means, claim: FeedClaim): Promise<void> {
  const { database } = context;
  try {
    let { position, failures } = claim;
    for (let batches = 0; batches < BATCHES_IN_TURN && !means.isOver(); batches++) {
      const batch = await readFeed(database, claim.dataset, { position, limits: LIMITS });
      if (batch === undefined) {
        await skipFeed(database, claim);
        break;
      }
      const message = messageOf(context, means, { claim, position, batch });
      const next = await tell(context, means, { claim: { ...claim, failures }, message });
      if (next === undefined) return;
      position = next;
      failures = 0;
    }
  } finally {
    // Nothing happens where a failed try has let go of it already. The database may be what is away.
    await releaseFeed(database, claim).catch(() => undefined);
  }
}

interface Telling {
  readonly claim: FeedClaim;
  readonly message: FeedMessage;
}

/** One try, and what comes of it. Returns where to go on from; undefined when this is not to be gone on with. */
async function tell(
  context: FeedContext,
  means: Means,
  { claim, message }: Telling,
): Promise<FeedPosition | undefined> {
  const { database, telemetry } = context;
  const startedAt = performance.now();
  const delivery = await means.target.deliver(message, means.stop);
  const told = {
    ...{ subscription: means.subscription.name, dataset: claim.dataset, id: message.id },
    ...{ changes: message.changes.length, durationMs: Math.round(performance.now() - startedAt) },
  };
  if (delivery.kind === 'delivered') {
    telemetry.emit('feed.delivered', told);
    return advanceFeed(database, claim, { position: message.to, isOver: message.isLast, leaseMs: LEASE_MS });
  }
  // One that was broken off by the end of this process says nothing about the receiver.
  if (!means.stop.aborted) await noteFailure(context, { claim, delivery, told });
  return undefined;
}

interface Failed {
  readonly claim: FeedClaim;
  readonly delivery: Delivery;
  readonly told: FeedTry;
}

/** There is always another try, unless the receiver says that it is gone for good. */
async function noteFailure({ database, telemetry }: FeedContext, { claim, delivery, told }: Failed): Promise<void> {
  const error = delivery.detail.replaceAll('\0', '\ufffd'); // text cannot hold U+0000
  if (delivery.kind === 'refused') {
    const reason = `the receiver says that it is gone: ${error}`;
    if (await pauseSubscription(database, claim.subscriptionId, reason))
      telemetry.emit('feed.paused', { subscription: told.subscription, reason });
    return;
  }
  const failures = claim.failures + 1;
  const pauseMs = pauseAfterFailures(failures);
  await putOffFeed(database, claim, { error, pauseMs, failures });
  telemetry.emit('feed.failed', { ...told, failures, detail: error, againInMs: pauseMs });
}

interface Outgoing {
  readonly claim: FeedClaim;
  readonly position: FeedPosition;
  readonly batch: FeedBatch;
}

function messageOf(
  { installation }: FeedContext,
  { subscription: { id, name } }: Means,
  { claim: { dataset, replays }, position, batch }: Outgoing,
): FeedMessage {
  const [first, last] = [batch.changes[0], batch.changes.at(-1)];
  if (first === undefined || last === undefined) throw new Error('a batch without changes');
  const from = { at: first.at, key: position.at === first.at ? position.key : null };
  const to = { at: last.at, key: last.key };
  // From what it holds, so that each try has the same id, and nothing else has.
  const identity = [installation, id, replays, dataset, from.at, from.key, to.key];
  const digest = createHash('sha256').update(JSON.stringify(identity)).digest('hex');
  return { ...batch, id: `feed_${digest.slice(0, 32)}`, subscription: name, dataset, run: first.run, from, to };
}
