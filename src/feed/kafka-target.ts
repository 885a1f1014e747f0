import { once } from 'node:events';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { compatibilityPartitioner, Producer, stringSerializers } from '@platformatic/kafka';
import type { Delivery } from '../notifications/delivery.ts';
import type { FeedMessage, Target } from './target.ts';

export interface KafkaOptions {
  /** As `host:port`. */
  readonly brokers: readonly string[];
  readonly topicOf: (dataset: string) => string;
  /** Deletes are messages without a value. */
  readonly tombstones: boolean;
  readonly isEncrypted: boolean;
  readonly sasl: KafkaLogin | null;
  /** How long a batch may take, in milliseconds. */
  readonly timeoutMs?: number;
}

export interface KafkaLogin {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: string;
}

type Producing = Producer<string, string, string, string>;

const TIMEOUT_MS = 30_000;
const CONNECT_MS = 5_000;
/** Of one request to a broker. */
const REQUEST_MS = 10_000;

/**
 * Writes each change as a message of its dataset's topic, by its record's key; all of a batch are acknowledged by all
 * replicas in step before the next is sent. The connection is made with the first batch, and anew after a failure.
 */
export function openKafkaTarget(options: KafkaOptions): Target {
  let producer: Producing | undefined;
  const close = async (): Promise<void> => {
    const closing = producer;
    producer = undefined;
    await closing?.close(true).catch(() => undefined);
  };
  return {
    deliver: async (message, stop) => {
      try {
        producer ??= createProducer(options);
        const sending = producer.send({ messages: messagesOf(message, options) });
        return await outcomeOf(sending, { stop, timeoutMs: options.timeoutMs ?? TIMEOUT_MS }, close);
      } catch (error) {
        await close();
        return { kind: 'failed', detail: wordsOf(error) };
      }
    },
    close,
  };
}

function createProducer({ brokers, isEncrypted, sasl }: KafkaOptions): Producing {
  return new Producer({
    clientId: 'sheaf',
    bootstrapBrokers: [...brokers],
    serializers: stringSerializers,
    // What the client itself sends again is there once. The broker gives the producer its number: -1 asks for one.
    ...{ idempotent: true, producerId: -1n, producerEpoch: -1 },
    ...{ retries: 2, retryDelay: 500, connectTimeout: CONNECT_MS, timeout: REQUEST_MS, requestTimeout: REQUEST_MS },
    autocreateTopics: true, // where the broker allows it
    partitioner: compatibilityPartitioner, // as the clients of Kafka itself choose
    ...(isEncrypted ? { tls: {}, tlsServerName: !brokers.some(isAddress) } : {}), // an address is no server's name
    ...(sasl === null ? {} : { sasl }),
  });
}

/** Whether a `host:port` names its host by address. */
function isAddress(broker: string): boolean {
  return isIP(broker.slice(0, broker.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')) !== 0;
}

function messagesOf({ changes, dataset }: FeedMessage, { topicOf, tombstones }: KafkaOptions) {
  const topic = topicOf(dataset);
  return changes.map(({ key, kind, run, at, text }) => ({
    ...{ topic, key, headers: { kind, run, dataset, at } },
    ...(tombstones && kind === 'delete' ? {} : { value: text }),
  }));
}

interface Limits {
  readonly stop: AbortSignal;
  readonly timeoutMs: number;
}

/** The client cannot be told to stop sending: where that takes too long its connections are closed. */
async function outcomeOf(
  sending: Promise<unknown>,
  { stop, timeoutMs }: Limits,
  close: () => Promise<void>,
): Promise<Delivery> {
  const isOver = new AbortController();
  const { signal } = isOver;
  const late = sleep(timeoutMs, 'no answer in time', { signal });
  const stopped = once(stop, 'abort', { signal }).then(() => 'no answer before the end of this process');
  const sent = sending.then(() => null);
  for (const each of [late, stopped, sent]) each.catch(() => undefined); // whichever comes second is of no interest
  try {
    const detail = stop.aborted
      ? 'no answer before the end of this process'
      : await Promise.race([sent, late, stopped]);
    if (detail === null) return { kind: 'delivered', detail: 'acknowledged' };
    await close();
    return { kind: 'failed', detail };
  } finally {
    isOver.abort();
  }
}

interface Failure {
  readonly message?: string;
  readonly code?: string;
  /** Kafka's own name for what a broker said. */
  readonly apiId?: string;
  readonly errors?: readonly Failure[];
  readonly cause?: Failure;
}

/** What went wrong, at its root: the client wraps errors in errors. None of them holds the password. */
function wordsOf(error: unknown): string {
  let failure = error as Failure;
  for (;;) {
    const inner = failure.errors?.at(-1) ?? failure.cause;
    if (failure.apiId !== undefined || inner === undefined) break;
    failure = inner;
  }
  const { apiId, code, message } = failure;
  if (apiId !== undefined) return `the broker says ${apiId}`;
  if (message?.startsWith('Unknown topic') === true)
    return `${message.replace(/\.$/, '')}: create it, or let the broker create topics (auto.create.topics.enable)`;
  return message || code || 'the broker cannot be reached';
}
