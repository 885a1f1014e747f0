import { UsageError } from './errors.ts';
import { PAUSES_MS } from './notification.ts';
import { redact } from './redact.ts';

/** How a subscriber is told of changes. */
export type SubscriptionKind = 'webhook' | 'kafka';

/**
 * active: told of everything, or on the way to it. failing: the last try for some dataset failed, and there will be
 * another. gap: changes were dropped that it had not been told, and it waits to be set anew. paused: told of nothing.
 */
export type SubscriptionState = 'active' | 'failing' | 'gap' | 'paused';

/** A place in the changes of a dataset: what follows it is still to be told. */
export interface FeedPosition {
  /** The moment of a merge, ISO 8601 in UTC to the microsecond. */
  readonly at: string;
  /** The last key of that merge that was told; null before its first. */
  readonly key: string | null;
}

/** A webhook is a URL; Kafka is brokers, and how the names of topics begin. */
export type SubscriptionTarget =
  | { readonly kind: 'webhook'; readonly target: string; readonly prefix: null; readonly tombstones: false }
  | { readonly kind: 'kafka'; readonly target: string; readonly prefix: string; readonly tombstones: boolean };

/** Throws a UsageError unless the name can be one. */
export function checkSubscriptionName(name: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) return name;
  throw new UsageError(
    `"${name}" cannot be the name of a subscription. Take small letters, digits and hyphens, 63 at most, e.g. search-index.`,
    { code: 'bad-subscription-name', facts: { asked: name } },
  );
}

/** Throws a UsageError unless it is an http(s) URL without anything in it that looks like a secret: it is stored and shown. */
export function checkWebhookUrl(url: string): string {
  const { protocol, username, password, href } = URL.parse(url) ?? {};
  const refuse = (why: string) => new UsageError(`${redact(url)} ${why}`, { code: 'bad-webhook-url', facts: {} });
  if (href === undefined || (protocol !== 'http:' && protocol !== 'https:'))
    throw refuse('is not an http or https URL. Write it like https://hooks.example/sheaf.');
  if (username || password || redact(href) !== href)
    throw refuse(
      'holds a password or a key, and the URL of a subscription is no secret. Messages are signed with SHEAF_FEED_SECRET: have the receiver check that.',
    );
  return href;
}

const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;

/** `a:9092, b:9092` → `a:9092,b:9092`. Throws a UsageError for anything else. */
export function checkBrokers(text: string): string {
  const brokers = text.split(',').map((each) => each.trim());
  const isBroker = (each: string) => {
    const port = Number(HOST.exec(each)?.[1]);
    return port >= 1 && port <= 65_535;
  };
  if (brokers.every(isBroker)) return brokers.join(',');
  throw new UsageError(
    `"${redact(text)}" does not name brokers. Write host:port, several separated by commas, e.g. kafka-1:9092,kafka-2:9092; user and password come from SHEAF_KAFKA_USERNAME and SHEAF_KAFKA_PASSWORD.`,
    { code: 'bad-brokers', facts: {} },
  );
}

/** Throws a UsageError unless topics can begin with it. */
export function checkTopicPrefix(prefix: string): string {
  if (/^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,99}$/.test(prefix)) return prefix;
  throw new UsageError(
    `"${prefix}" cannot be what the names of topics begin with. Take letters, digits, dots, hyphens and underscores, 100 at most, e.g. sheaf.`,
    { code: 'bad-topic-prefix', facts: { asked: prefix } },
  );
}

/** A receiver that is back is not to wait for hours: from here on the pauses stay as long as they are. */
const LONGEST_PAUSE_MS = 300_000;

/** How long after so many failed tries in a row the next one comes. There always is one. */
export function pauseAfterFailures(failures: number): number {
  return Math.min(LONGEST_PAUSE_MS, PAUSES_MS[failures - 1] ?? LONGEST_PAUSE_MS);
}
