import { once } from 'node:events';
import type { Settings } from '../config/options.ts';
import { listDatasetNames } from '../db/queries/datasets.ts';
import { installationId } from '../db/queries/installation.ts';
import { someoneSignsIn } from '../db/queries/workers.ts';
import type { SubscriptionRow } from '../db/schema.ts';
import { isLoopback } from '../domain/address.ts';
import { UsageError } from '../domain/errors.ts';
import { topicOf } from '../domain/topic.ts';
import type { Target } from '../feed/target.ts';
import { createFeeder } from '../feed/tell-changes.ts';
import { openWebhookTarget } from '../feed/webhook-target.ts';
import type { SheafContext } from './context.ts';
import { every, type Tending } from './every.ts';
import { VERSION } from './version.ts';

/** How often it is looked for changes that are to be told; the end of a run wakes a worker at once. */
const LOOK_MS = 5_000;
/** For so long a process that ends by itself waits for subscribers to be told. */
const TOLD_MS = 60_000;

export interface Feeding {
  /** There may be changes: looks at once. */
  wake(): void;
  /** Resolves when subscribers have been told, or it was tried; after a minute, or when it is told to stop, it waits no longer. */
  told(stop: AbortSignal): Promise<void>;
  /** Ends what is under way within seconds, and begins nothing more. */
  stop(): Promise<void>;
}

/** Tells subscribers of changes until it is stopped. Throws a UsageError for settings that do not fit. */
export async function startFeeding(
  context: SheafContext,
  workerId: number,
  { onError, firstAfterMs }: Tending,
): Promise<Feeding> {
  const { database, telemetry, settings } = context;
  checkLogin(settings);
  const installation = await installationId(database);
  const whyNot = (subscription: SubscriptionRow) => whyNotTold(context, subscription);
  const openTarget = (subscription: SubscriptionRow) => openTargetOf(context, subscription);
  const feeder = createFeeder({ database, telemetry, workerId, installation, whyNot, openTarget, onError });
  const tend = () => feeder.tend().catch(onError);
  // Not waited for: a subscriber that is slow must not keep it from looking for others.
  const looking = every({ intervalMs: LOOK_MS, firstAfterMs }, async () => void tend(), onError);
  return {
    wake: () => void tend(),
    told: async (stop) => {
      const enough = AbortSignal.any([stop, AbortSignal.timeout(TOLD_MS)]);
      if (enough.aborted) return;
      await Promise.race([tend(), once(enough, 'abort')]);
    },
    stop: async () => {
      await Promise.all([looking.stop(), feeder.stop()]);
    },
  };
}

function checkLogin({ SHEAF_KAFKA_USERNAME: username, SHEAF_KAFKA_PASSWORD: password }: Settings): void {
  if ((username === undefined) === (password === undefined)) return;
  const name = username === undefined ? 'SHEAF_KAFKA_USERNAME' : 'SHEAF_KAFKA_PASSWORD';
  throw new UsageError(`SHEAF_KAFKA_USERNAME and SHEAF_KAFKA_PASSWORD go together; ${name} is not set.`, {
    code: 'bad-setting',
    facts: { name },
  });
}

/** Whether a process can sign in to Kafka. */
export function hasKafkaLogin(settings: Settings): boolean {
  return loginOf(settings) !== null;
}

/**
 * Why a process with these settings leaves a subscriber to others; null when it does not. Brokers that need no login are
 * not told from those that do: where some worker has one, those without leave Kafka to it.
 */
export async function whyNotTold(
  { database, settings }: Pick<SheafContext, 'database' | 'settings'>,
  { kind, target }: Pick<SubscriptionRow, 'kind' | 'target'>,
): Promise<string | null> {
  if (kind === 'webhook') return settings.SHEAF_FEED_SECRET === undefined ? 'SHEAF_FEED_SECRET is not set here' : null;
  if (!hasKafkaLogin(settings) && (await someoneSignsIn(database)))
    return 'SHEAF_KAFKA_USERNAME is not set here, and another worker has it';
  return problemOfLogin(settings, target.split(','));
}

/** Where a subscriber is told that this process can tell. */
export async function openTargetOf(
  { database, settings }: Pick<SheafContext, 'database' | 'settings'>,
  { kind, target, prefix, tombstones }: SubscriptionRow,
): Promise<Target> {
  if (kind === 'webhook') {
    const { SHEAF_FEED_SECRET: secret } = settings;
    if (secret === undefined) throw new Error('a webhook is to be told without SHEAF_FEED_SECRET');
    return openWebhookTarget({ url: target, secret, userAgent: `sheaf/${VERSION}` });
  }
  const brokers = target.split(',');
  const { openKafkaTarget } = await import('../feed/kafka-target.ts'); // a large library, which few need
  const known = await listDatasetNames(database);
  return openKafkaTarget({
    brokers,
    topicOf: (dataset) => topicOf(prefix ?? '', dataset, known),
    tombstones,
    isEncrypted: settings.SHEAF_KAFKA_TLS === 'on',
    sasl: loginOf(settings),
  });
}

function loginOf({
  SHEAF_KAFKA_USERNAME: username,
  SHEAF_KAFKA_PASSWORD: password,
  SHEAF_KAFKA_MECHANISM: mechanism,
}: Settings) {
  return username === undefined || password === undefined ? null : { username, password, mechanism };
}

/** A password must not go over a network that others can read. Null when it does not. */
function problemOfLogin(settings: Settings, brokers: readonly string[]): string | null {
  const isPlain = loginOf(settings)?.mechanism === 'PLAIN' && settings.SHEAF_KAFKA_TLS === 'off';
  const isHere = brokers.every((broker) => isLoopback(broker.slice(0, broker.lastIndexOf(':'))));
  return isPlain && !isHere ? 'SHEAF_KAFKA_MECHANISM is PLAIN, which needs SHEAF_KAFKA_TLS=on' : null;
}
