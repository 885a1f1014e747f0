import { Queue, Worker } from 'bullmq';
import { OperatorError } from '../domain/errors.ts';
import { redact } from '../domain/redact.ts';
import type { EngineOptions, EngineWorkerOptions, QueueEngine } from './engine.ts';

/** Milliseconds before the next attempt to connect. BullMQ's own grow to 20 s: for so long a Redis that is back would go unused. */
const retryStrategy = (times: number): number => Math.min(100 * times, 2_000);

/** BullMQ on Redis or Valkey: for a fleet. */
export function createRedisEngine(url: string): QueueEngine {
  return {
    kind: 'redis',
    createQueue: (name, options: EngineOptions) =>
      new Queue(name, { ...options, connection: { url, retryStrategy } }) as never,
    createWorker: (name, process, options: EngineWorkerOptions) =>
      // A worker waits for a Redis that is away instead of failing its blocking calls.
      new Worker(name, process, {
        ...options,
        connection: { url, retryStrategy, maxRetriesPerRequest: null },
      }) as never,
    check: () => checkRedis(url),
    close: async () => undefined, // each has connections of its own
  };
}

async function checkRedis(url: string): Promise<void> {
  const { Redis } = await import('ioredis'); // not even loaded where the queues are in PostgreSQL
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 5_000, retryStrategy: () => null });
  let lastError: Error | undefined;
  redis.on('error', (error: Error) => {
    lastError = error;
  });
  try {
    await redis.connect();
    const policy = await redis.info('memory');
    refuseEviction(url, policy);
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause;
    const detail = redact((lastError ?? (cause as Error)).message || String(cause));
    throw new OperatorError(
      `Cannot use Redis at ${new URL(url).host}: ${detail}. Check that it runs, and REDIS_URL; unset it to keep the queues in PostgreSQL.`,
      { code: 'redis-down', cause },
    );
  } finally {
    redis.disconnect();
  }
}

/** A Redis that evicts keys under memory pressure loses jobs without a word. */
function refuseEviction(url: string, memoryInfo: string): void {
  const policy = /maxmemory_policy:(\S+)/.exec(memoryInfo)?.[1];
  const isUnbounded = /maxmemory:0\s/.test(memoryInfo);
  if (policy === undefined || policy === 'noeviction' || isUnbounded) return;
  throw new OperatorError(
    `Redis at ${new URL(url).host} has maxmemory-policy ${policy} and would drop jobs; set it to noeviction.`,
    { code: 'redis-evicts', facts: { policy } },
  );
}
