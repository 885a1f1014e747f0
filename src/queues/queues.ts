import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import { isStoreTrouble } from '../domain/classify.ts';
import { type EngineJob, type EngineQueue, type QueueEngine, readPayload } from './engine.ts';
import { keepSchedulers, repeatStrategy, type Scheduler } from './job-schedulers.ts';
import { createPostgresEngine } from './postgres-engine.ts';
import { jobIdOf, KEPT_JOBS, type Payload, type QueueName, queueNames } from './queue-table.ts';
import type { QueueTracing } from './queue-tracing.ts';
import { type QueueWorker, startQueueWorker } from './queue-worker.ts';
import { createRedisEngine } from './redis-engine.ts';
import { CLOSE_MS, within } from './within.ts';

/** Jobs are added so many at a time: one huge call would stall every other client of a Redis, and has the store hold all of it. */
const CHUNK = 100;

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
  /**
   * Makes these the job schedulers of the queue: adds those that it does not have, or has lost a part of, and removes all
   * others. Returns how many were added.
   */
  keepSchedulers<Name extends QueueName>(name: Name, wanted: readonly Scheduler<Payload<Name>>[]): Promise<number>;
  /** Jobs by state, for `doctor` and for people. */
  counts(name: QueueName): Promise<Record<string, number>>;
  /** How long every queue is, and for how long the first of its jobs has waited. */
  depths(): Promise<QueueDepth[]>;
  /** Every queue as Bull Board takes it, on connections of their own. */
  boards(): Promise<readonly BaseAdapter[]>;
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface QueueDepth {
  readonly queue: QueueName;
  /** Jobs by BullMQ's states. */
  readonly jobs: Readonly<Record<string, number>>;
  /** 0 when none waits. */
  readonly oldestWaitingMs: number;
}

export interface WorkOptions {
  /** Jobs at once. */
  readonly concurrency: number;
}

export interface QueuesOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  /** Keeps apart the queues of installations that share a Redis. */
  readonly installation: string;
  readonly onError: (error: Error) => void;
  /** How jobs join the traces of their runs; undefined where nothing is traced. */
  readonly tracing?: QueueTracing | undefined;
}

/** Opens the queues: on Redis when there is a URL for it, in PostgreSQL otherwise. Nothing connects before first use. */
export function openQueues({ databaseUrl, redisUrl, installation, onError, tracing }: QueuesOptions): Queues {
  const engine = redisUrl === undefined ? createPostgresEngine(databaseUrl) : createRedisEngine(redisUrl);
  const prefix = `{sheaf-${installation}}`; // the braces keep a Redis Cluster from spreading one queue's keys
  const traced = tracing === undefined ? {} : { telemetry: tracing.telemetry };
  const opened = new Map<QueueName, EngineQueue>();
  const boards: EngineQueue[] = [];
  let isClosing = false; // a connection that ends while it is being closed is no trouble
  const tell = (error: Error) => {
    if (!isClosing) onError(error);
  };

  const queue = (name: QueueName): EngineQueue => {
    const known = opened.get(name);
    if (known !== undefined) return known;
    const created = engine.createQueue(name, { prefix, defaultJobOptions, settings, ...traced });
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
        await use(name, (used) => addChunk(used, chunk, { delayMs: options.delayMs ?? 0, tracing }));
      }
    },
    work: (name, process, { concurrency }) =>
      startQueueWorker({
        name,
        concurrency,
        process: async (job) => process(readPayload(name, job.data)),
        create: (handle) => engine.createWorker(name, handle, { prefix, concurrency, ...workerOptions, ...traced }),
        onError: tell,
      }),
    keepSchedulers: (name, wanted) => use(name, (used) => keepSchedulers(used, wanted)),
    counts: (name) => use(name, (used) => used.getJobCounts()),
    depths: () => Promise.all(queueNames.map((name) => use(name, (used) => depthOf(name, used)))),
    boards: async () => {
      const { BullMQAdapter } = await import('@bull-board/api/bullMQAdapter');
      return Promise.all(
        queueNames.map(async (name) => {
          const shown = engine.createQueue(name, { prefix, defaultJobOptions });
          shown.on('error', tell);
          boards.push(shown);
          await shown.waitUntilReady(); // one whose first connection is refused would stay broken for good
          return new BullMQAdapter(shown as never);
        }),
      );
    },
    check: () => engine.check(),
    close: async () => {
      isClosing = true;
      const all = [...opened.values(), ...boards.splice(0)];
      await Promise.all(all.map((each) => within(CLOSE_MS, each.close(), () => undefined)));
      opened.clear();
      await within(CLOSE_MS, engine.close(), () => undefined);
    },
  };
}

/** BullMQ's own reading of cron expressions differs from ours when the clock changes; there is one truth. */
const settings = { repeatStrategy };

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
const workerOptions = { maxStalledCount: 1_000_000, stalledInterval: 5_000, lockDuration: 10_000, settings };

async function depthOf(queue: QueueName, used: EngineQueue): Promise<QueueDepth> {
  const [jobs, waiting] = await Promise.all([used.getJobCounts(), used.getJobs(['waiting'], 0, 0, true)]);
  const oldest = waiting[0];
  const oldestWaitingMs = oldest === undefined ? 0 : Math.max(0, Date.now() - oldest.timestamp - oldest.delay);
  return { queue, jobs, oldestWaitingMs };
}

interface AddOptions {
  readonly delayMs: number;
  readonly tracing: QueueTracing | undefined;
}

async function addChunk(
  queue: EngineQueue,
  payloads: readonly Payload<QueueName>[],
  { delayMs, tracing }: AddOptions,
): Promise<void> {
  const jobs = payloads.map((payload) => {
    const jobId = jobIdOf(payload);
    const delay = delayMs > 0 ? { delay: delayMs } : {};
    return { name: jobId, data: payload, opts: { jobId, ...delay, ...traceOf(payload, tracing) } };
  });
  const added = await queue.addBulk(jobs);
  // addBulk resolves even when the store refused an entry: it then names it by a negative error code.
  const refused = jobs.find((job, position) => added[position]?.id !== job.opts.jobId);
  if (refused !== undefined) throw new Error(`the queue did not take job ${refused.opts.jobId}`);
}

/** The same for every job of a run, whoever adds it: a job that the reconciler adds anew belongs to the run's trace, too. */
function traceOf(payload: Payload<QueueName>, tracing: QueueTracing | undefined): Pick<EngineJob['opts'], 'telemetry'> {
  if (tracing === undefined || !('run' in payload)) return {};
  return { telemetry: { metadata: tracing.carrierOf(payload.run) } };
}
