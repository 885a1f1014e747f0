import { setTimeout as sleep } from 'node:timers/promises';
import { OperatorError } from '../domain/errors.ts';
import type { QueueName } from '../queues/queue-table.ts';
import type { QueueVitals, QueueWorker } from '../queues/queue-worker.ts';
import type { Queues } from '../queues/queues.ts';
import { every } from './every.ts';

const LOOK_MS = 5_000;
const DEAF_MS = 30_000;
/** A store that does not answer a small question within this is away. */
const ANSWER_MS = 10_000;

export interface WatchdogOptions {
  readonly queues: Queues;
  readonly workers: ReadonlyMap<QueueName, QueueWorker>;
  /** How long a store may be away, or a queue's worker deaf, before the process is given up. */
  readonly patienceMs: number;
  /** Jobs that wait while there is room are taken within moments; a worker that takes none for so long is deaf. */
  readonly deafMs?: number;
  /** False for a process that need not show at once that it is well. Default true. */
  readonly looksAtOnce?: boolean;
  /** Told when both stores answer and every queue's worker takes what there is. */
  onWell(): Promise<void>;
  /** Told of a worker that took nothing though jobs wait; it has been started anew. */
  onDeaf(queue: QueueName): void;
  /** Told of trouble on the way. */
  onError(error: unknown): void;
}

export interface Watchdog {
  /** A worker's heartbeat has reached the database. */
  beaten(): void;
  /** Resolves when the process is of no use any more; never, while it is. */
  readonly lost: Promise<OperatorError>;
  stop(): Promise<void>;
}

/**
 * Sees to it that a worker never sits there looking healthy. It asks not whether a connection is open but whether work
 * flows: heartbeats must reach the database, the queue must answer, and jobs that wait while there is room must be
 * taken. (BullMQ's loop can stop for good after a reconnect, without an error.)
 */
export function startWatchdog(options: WatchdogOptions): Watchdog {
  const { queues, workers, patienceMs, deafMs = DEAF_MS } = options;
  const { promise: lost, resolve: giveUp } = Promise.withResolvers<OperatorError>();
  const seen = { database: performance.now(), queue: performance.now() };
  const idleness = new Map([...workers.keys()].map((name) => [name, createIdleness(deafMs)]));

  const check = async (): Promise<void> => {
    let flows = true;
    for (const [name, worker] of workers) {
      const { waiting = 0, prioritized = 0 } = await answerOf(queues.counts(name));
      const verdict = idleness.get(name)?.(worker.vitals(), waiting + prioritized, performance.now()) ?? 'well';
      if (verdict !== 'well') flows = false;
      if (verdict !== 'to be restarted') continue;
      worker.restart();
      options.onDeaf(name);
    }
    if (!flows) return;
    seen.queue = performance.now();
    await answerOf(options.onWell());
  };

  const lookMs = Math.min(LOOK_MS, patienceMs / 4);
  let judgedAt = performance.now();
  const judge = (): void => {
    const now = performance.now();
    // A process that was stopped, or a machine that slept, has not missed its stores for that long.
    const stoppedMs = now - judgedAt - lookMs;
    judgedAt = now;
    if (stoppedMs > lookMs) {
      seen.database += stoppedMs;
      seen.queue += stoppedMs;
    }
    if (now - seen.database > patienceMs) giveUp(lostStore('database', now - seen.database));
    else if (now - seen.queue > patienceMs) giveUp(lostStore('queue', now - seen.queue));
  };

  const { looksAtOnce = true, onError } = options;
  const checking = every({ intervalMs: lookMs, firstAfterMs: looksAtOnce ? 0 : lookMs }, check, onError);
  const judging = setInterval(judge, lookMs);
  return {
    beaten: () => {
      seen.database = performance.now();
    },
    lost,
    stop: async () => {
      clearInterval(judging);
      await checking.stop();
    },
  };
}

export type Hearing = 'well' | 'deaf' | 'to be restarted';

/**
 * Watches one worker from look to look: it is deaf when it took nothing for a while in which it had room and jobs waited
 * at every look. It is to be restarted then, and again each time that did not help.
 */
export function createIdleness(deafMs: number): (vitals: QueueVitals, waiting: number, now: number) => Hearing {
  let since: number | undefined;
  let lastTakenAt = 0;
  let restartedAt = 0;
  return ({ running, concurrency, takenAt }, waiting, now) => {
    if (waiting === 0 || running >= concurrency || takenAt !== lastTakenAt) {
      since = undefined;
      lastTakenAt = takenAt;
      return 'well';
    }
    if (since === undefined) {
      since = now;
      restartedAt = now;
    }
    if (now - since <= deafMs) return 'well';
    if (now - restartedAt <= deafMs) return 'deaf';
    restartedAt = now;
    return 'to be restarted';
  };
}

function lostStore(store: 'database' | 'queue', forMs: number): OperatorError {
  const seconds = Math.round(forMs / 1_000);
  const what = store === 'database' ? 'reached the database' : 'had work from the queue';
  return new OperatorError(
    `This worker has not ${what} for ${seconds} seconds and gives up; what it held is taken over by others. Start it again when the ${store} is back; \`sheaf doctor\` tells more.`,
    { code: 'store-lost', facts: { store, seconds } },
  );
}

/** An answer that does not come must not keep the watchdog waiting. */
async function answerOf<T>(work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(ANSWER_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no answer within ${ANSWER_MS / 1_000} seconds`);
  });
  late.catch(() => undefined);
  return Promise.race([work, late]).finally(() => timer.abort());
}
