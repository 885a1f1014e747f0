import type { Job, QueueOptions, WorkerOptions } from 'bullmq';
import { type Payload, type QueueName, queueTable } from './queue-table.ts';

export type EngineKind = 'postgres' | 'redis';

/**
 * What an engine has to bring: BullMQ's classes bound to its store, and how to reach it. Everything else is the same
 * for both (see queues.ts).
 */
export interface QueueEngine {
  readonly kind: EngineKind;
  createQueue(name: QueueName, options: EngineOptions): EngineQueue;
  createWorker(name: QueueName, process: (job: Job) => Promise<unknown>, options: EngineWorkerOptions): EngineWorker;
  /** Proves that the store answers and is fit to hold queues. Throws an OperatorError that says what to do. */
  check(): Promise<void>;
  /** Closes what its queues and workers share, once they are closed. Safe twice. */
  close(): Promise<void>;
}

export type EngineOptions = Pick<QueueOptions, 'defaultJobOptions' | 'prefix' | 'settings' | 'telemetry'>;
export type EngineWorkerOptions = Omit<WorkerOptions, 'connection'>;

/** The part of BullMQ's Queue that Sheaf uses. */
export interface EngineQueue {
  addBulk(jobs: readonly EngineJob[]): Promise<readonly { readonly id?: string | undefined }[]>;
  upsertJobScheduler(id: string, repeat: EngineRepeat, job: Pick<EngineJob, 'name' | 'data'>): Promise<unknown>;
  getJobSchedulers(start: number, end: number, isAscending: boolean): Promise<readonly EngineScheduler[]>;
  removeJobScheduler(id: string): Promise<boolean>;
  getJobCounts(...states: string[]): Promise<Record<string, number>>;
  getJobs(states: string[], start: number, end: number, isAscending: boolean): Promise<readonly WaitingJob[]>;
  waitUntilReady(): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

/** When a job was added, by the clock of whoever added it, and for how long it was put off then; in milliseconds. */
export interface WaitingJob {
  readonly timestamp: number;
  readonly delay: number;
}

export interface EngineJob {
  readonly name: string;
  readonly data: unknown;
  readonly opts: {
    readonly jobId: string;
    readonly delay?: number;
    /** Which trace the job belongs to. */
    readonly telemetry?: { readonly metadata: string };
  };
}

export interface EngineRepeat {
  readonly pattern: string;
  readonly tz: string;
}

/** A job scheduler as BullMQ has it; null, or with a `next` that has passed, where parts of it were lost. */
export interface EngineScheduler extends Partial<EngineRepeat> {
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly next?: number | undefined;
}

/** The part of BullMQ's Worker that Sheaf uses. */
export interface EngineWorker {
  on(event: 'error', listener: (error: Error) => void): unknown;
  waitUntilReady(): Promise<unknown>;
  close(force?: boolean): Promise<void>;
}

export function readPayload<Name extends QueueName>(name: Name, data: unknown): Payload<Name> {
  return queueTable[name].parse(data) as Payload<Name>;
}
