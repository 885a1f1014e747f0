import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import { isStoreTrouble } from '../domain/classify.ts';
import { type EngineQueue, type EngineWorker, type QueueEngine, readPayload } from './engine.ts';
import { createPostgresEngine } from './postgres-engine.ts';
import { jobIdOf, KEPT_JOBS, type Payload, type QueueName } from './queue-table.ts';
import { createRedisEngine } from './redis-engine.ts';

/** Jobs are added some hundreds at a time: one huge call would stall every other client of a Redis. */
const CHUNK = 500;

/** Sheaf's queues, on either engine. Jobs are typed by the queue table. */
export interface Queues {
  readonly engine: QueueEngine['kind'];
  /**
   * Adds jobs; one that is already there stays as it is. Resolves when the store has taken all of them, and throws
   * when it has not. `delayMs` is how long they wait before a worker may take them.
   */
  add<Name extends QueueName>(
    name: Name,
    payloads: readonly Payload<Name>[],
    options?: { delayMs?: number },
  ): Promise<void>;
  /** Starts a worker on a queue. It takes up to `concurrency` jobs at once until it is closed. */
  work<Name extends QueueName>(
    name: Name,
    process: (payload: Payload<Name>) => Promise<string>,
    options: WorkOptions,
  ): QueueWorker;
  /** Jobs by state, for `doctor` and for people. */
  counts(name: QueueName): Promise<Record<string, number>>;
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface WorkOptions {
  /** Jobs at once. */
  readonly concurrency: number;
}

export interface QueueWorker {
  /** Resolves when the worker takes jobs. */
  ready(): Promise<void>;
  /** How it is doing, for whoever watches that it does not stop in silence. */
  vitals(): QueueVitals;
  /**
   * Takes jobs through connections of its own anew. For a loop that has come to a standstill: jobs under way go on.
   */
  restart(): void;
  /** Takes no further job, and resolves when those under way have ended. */
  close(): Promise<void>;
}

export interface QueueVitals {
  /** Jobs under way, and how many may be. */
  readonly running: number;
  readonly concurrency: number;
  /** When the last job was taken, by `performance.now()`; when the worker was started before that. */
  readonly takenAt: number;
}

export interface QueuesOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  /** Keeps apart the queues of installations that share a Redis. */
  readonly installation: string;
  readonly onError: (error: Error) => void;
}

/** Opens the queues: on Redis when there is a URL for it, in PostgreSQL otherwise. Nothing connects before first use. */
export function openQueues({ databaseUrl, redisUrl, installation, onError }: QueuesOptions): Queues {
  const engine = redisUrl === undefined ? createPostgresEngine(databaseUrl) : createRedisEngine(redisUrl);
  const prefix = `{sheaf-${installation}}`; // the braces keep a Redis Cluster from spreading one queue's keys
  const opened = new Map<QueueName, EngineQueue>();
  let isClosing = false; // a connection that ends while it is being closed is no trouble
  const tell = (error: Error) => {
    if (!isClosing) onError(error);
  };

  const queue = (name: QueueName): EngineQueue => {
    const known = opened.get(name);
    if (known !== undefined) return known;
    const created = engine.createQueue(name, { prefix, defaultJobOptions });
    created.on('error', tell);
    opened.set(name, created);
    return created;
  };

  /**
   * Uses a queue, and opens it anew the next time when that failed: one of BullMQ's whose first connection was refused
   * stays broken for good.
   */
  const use = async <T>(name: QueueName, work: (opened: EngineQueue) => Promise<T>): Promise<T> => {
    const used = queue(name);
    try {
      return await work(used);
    } catch (error) {
      if (!isStoreTrouble(error)) throw error;
      if (opened.get(name) === used) opened.delete(name);
      within(CLOSE_MS, used.close(), () => undefined).catch(() => undefined);
      throw error;
    }
  };

  return {
    engine: engine.kind,
    add: async (name, payloads, options = {}) => {
      for (let from = 0; from < payloads.length; from += CHUNK) {
        const chunk = payloads.slice(from, from + CHUNK);
        await use(name, (used) => addChunk(used, chunk, options.delayMs ?? 0));
      }
    },
    work: (name, process, options) => {
      const running = new Set<Promise<string>>();
      let takenAt = performance.now();
      const handle = async (job: Job): Promise<string> => {
        takenAt = performance.now();
        const work = process(readPayload(name, job.data));
        running.add(work);
        return work.finally(() => running.delete(work));
      };
      const create = () => {
        const created = engine.createWorker(name, handle, { prefix, ...options, ...workerOptions });
        created.on('error', tell);
        return created;
      };
      /** Jobs under way may end; then whatever still waits for a connection is let go of. */
      const retire = (old: EngineWorker) => {
        const closed = old.close();
        Promise.allSettled(running)
          .then(() => within(CLOSE_MS, closed, () => void old.close(true).catch(tell)))
          .catch(tell);
      };
      let worker = create();
      return {
        vitals: () => ({ running: running.size, concurrency: options.concurrency, takenAt }),
        restart: () => {
          retire(worker);
          worker = create();
        },
        ready: async () => void (await worker.waitUntilReady()),
        close: async () => {
          const closed = worker.close();
          await Promise.allSettled(running);
          await within(CLOSE_MS, closed, () => tell(new Error(`the worker of ${name} did not close in time`)));
        },
      };
    },
    counts: (name) => use(name, (used) => used.getJobCounts()),
    check: () => engine.check(),
    close: async () => {
      isClosing = true;
      await Promise.all([...opened.values()].map((each) => within(CLOSE_MS, each.close(), () => undefined)));
      opened.clear();
    },
  };
}

/**
 * How long a worker without a job may take to close. BullMQ's loop can wait for ever for a connection that was lost at
 * the wrong moment; nothing of ours depends on its end.
 */
const CLOSE_MS = 3_000;

async function within(ms: number, work: Promise<void>, onLate: () => void): Promise<void> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(onLate, () => undefined);
  await Promise.race([work.finally(() => timer.abort()), late]);
}

/** The ledger decides about attempts, so every job is run once; a retry is a new job. */
const defaultJobOptions = {
  attempts: 1,
  removeOnComplete: { count: KEPT_JOBS.completed },
  removeOnFail: { count: KEPT_JOBS.failed },
};

/**
 * A stalled job is one whose worker died: BullMQ gives it to another, however often that happens, because the ledger
 * counts what a slice has cost, and not the queue. Short locks are safe for the same reason: a job that is given away
 * while its worker lives claims nothing.
 */
const workerOptions = { maxStalledCount: 1_000_000, stalledInterval: 5_000, lockDuration: 10_000 };

async function addChunk(queue: EngineQueue, payloads: readonly Payload<QueueName>[], delayMs: number): Promise<void> {
  const jobs = payloads.map((payload) => {
    const jobId = jobIdOf(payload);
    return { name: jobId, data: payload, opts: delayMs > 0 ? { jobId, delay: delayMs } : { jobId } };
  });
  const added = await queue.addBulk(jobs);
  // addBulk resolves even when the store refused an entry: it then names it by a negative error code.
  const refused = jobs.find((job, position) => added[position]?.id !== job.opts.jobId);
  if (refused !== undefined) throw new Error(`the queue did not take job ${refused.opts.jobId}`);
}
