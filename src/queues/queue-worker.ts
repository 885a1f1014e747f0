import type { Job } from 'bullmq';
import type { EngineWorker } from './engine.ts';
import { CLOSE_MS, within } from './within.ts';

export interface QueueWorker {
  /** Resolves when the worker takes jobs. */
  ready(): Promise<void>;
  /** How it is doing, for whoever watches that it does not stop in silence. */
  vitals(): QueueVitals;
  /** Takes jobs through connections of its own anew. For a loop that has come to a standstill: jobs under way go on. */
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

export interface QueueWorkerOptions {
  /** For people. */
  readonly name: string;
  readonly concurrency: number;
  readonly process: (job: Job) => Promise<string>;
  /** Makes the engine's worker, which calls `handle` for each job. */
  create(handle: (job: Job) => Promise<string>): EngineWorker;
  onError(error: Error): void;
}

/** Starts taking jobs, and keeps count of those under way: closing waits for them, whatever the engine's worker does. */
export function startQueueWorker({ name, concurrency, process, create, onError }: QueueWorkerOptions): QueueWorker {
  const running = new Set<Promise<string>>();
  let takenAt = performance.now();
  const handle = async (job: Job): Promise<string> => {
    takenAt = performance.now();
    const work = process(job);
    running.add(work);
    return work.finally(() => running.delete(work));
  };
  const open = () => {
    const worker = create(handle);
    worker.on('error', onError);
    return worker;
  };
  const close = async (worker: EngineWorker, onLate: () => void): Promise<void> => {
    const closed = worker.close();
    await Promise.allSettled(running);
    await within(CLOSE_MS, closed, onLate);
  };
  let worker = open();
  return {
    vitals: () => ({ running: running.size, concurrency, takenAt }),
    restart: () => {
      const old = worker;
      worker = open();
      // What it waits for in vain is let go of once its jobs have ended.
      close(old, () => void old.close(true).catch(onError)).catch(onError);
    },
    ready: async () => void (await worker.waitUntilReady()),
    close: () => close(worker, () => onError(new Error(`the worker of ${name} did not close in time`))),
  };
}
