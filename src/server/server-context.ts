import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { Database } from '../db/database.ts';
import type { RunRow, ScheduleRow } from '../db/schema.ts';
import type { AccessEntry } from '../domain/access.ts';
import type { Actor } from '../domain/actor.ts';
import type { HarvestRequest } from '../domain/harvest-request.ts';
import type { ReplayReport } from '../domain/replay-report.ts';
import type { NewSchedule } from '../domain/schedule.ts';
import type { Telemetry } from '../telemetry/events.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** What the server needs of the rest of Sheaf; the runtime provides it. Reading is the server's own, by queries. */
export interface ServerContext {
  readonly database: Database;
  readonly telemetry: Telemetry;
  readonly runs: RunActions;
  readonly schedules: ScheduleActions;
  /** The absolute folder that exports are written below, where a request does not say. */
  readonly out: string;
  readonly metrics: Metrics;
  /** Whether the worker of this process takes work and has both its stores; undefined where there is none. */
  readonly isWorkerWell?: () => boolean;
  /** How long the queues are; rejects when their store does not answer. */
  queueDepths(): Promise<readonly QueueDepth[]>;
  readonly access: ServerAccess;
  /** The queues, as Bull Board shows them; opened by this. */
  boards(): Promise<readonly BaseAdapter[]>;
  /** Takes rejects of a run or a dataset anew, and notes who did it. Throws a UsageError for one that does not exist. */
  replayRejects(replay: Replay, actor: Actor): Promise<ReplayReport>;
  /** Starts to write records as they are written into files of that format. */
  openRecordWriter(format: StreamFormat, columns: readonly string[]): RecordWriter;
  /** Sheaf's version. */
  readonly version: string;
}

export interface Replay {
  /** A dataset (`oda/Sag`), or a run. */
  readonly of: string;
  /** Only rejects with this reason; null for all. */
  readonly reason: string | null;
  readonly isDryRun: boolean;
}

/** The formats that can be written as they are read. */
export type StreamFormat = 'ndjson' | 'csv';

/** Turns JSON texts of records into the bytes of one file. Called in this order. */
export interface RecordWriter {
  begin(): string | Uint8Array;
  encode(texts: readonly string[]): string | Uint8Array;
  end(): string | Uint8Array;
}

export interface QueueDepth {
  readonly queue: string;
  /** Jobs by BullMQ's states. */
  readonly jobs: Readonly<Record<string, number>>;
  readonly oldestWaitingMs: number;
}

export interface ServerAccess {
  /** Who may use the server. Empty: everybody who reaches it, which is this machine only. */
  readonly entries: readonly AccessEntry[];
  /** Addresses of the proxies whose word about the visitor is taken. */
  readonly trustedProxies: readonly string[];
}

/**
 * What changes runs. Each notes who did it. All throw a UsageError, with a stable code, for what makes no sense as the
 * run stands.
 */
export interface RunActions {
  /**
   * Checks a request, plans the run and hands it to the fleet. Returns its id: `id`, where one was chosen beforehand, so
   * that a request that is repeated cannot start a second run.
   */
  start(request: HarvestRequest, actor: Actor, id?: string): Promise<string>;
  cancel(run: RunRow, actor: Actor): Promise<void>;
  pause(run: RunRow, actor: Actor): Promise<void>;
  resume(run: RunRow, actor: Actor): Promise<void>;
  retry(run: RunRow, actor: Actor): Promise<void>;
}

/** What changes schedules. As with runs: each notes who did it, and throws a UsageError for what makes no sense. */
export interface ScheduleActions {
  /** Checks a schedule, and its requests with their sources, and writes it down. */
  add(schedule: NewSchedule, actor: Actor): Promise<ScheduleRow>;
  /** Removes a schedule with its firings; runs that it has started go on and stay. */
  remove(schedule: ScheduleRow, actor: Actor): Promise<void>;
  pause(schedule: ScheduleRow, actor: Actor): Promise<void>;
  resume(schedule: ScheduleRow, actor: Actor): Promise<void>;
  /** Fires a schedule now, paused or not; a worker starts it at once. Returns the firing's id. */
  run(schedule: ScheduleRow, actor: Actor): Promise<number>;
  /** Fires, one after another, what would have been due from `from` up to, but not at, `to`. Returns those times. */
  backfill(schedule: ScheduleRow, span: BackfillSpan, actor: Actor): Promise<readonly Date[]>;
}

export interface BackfillSpan {
  readonly from: Date;
  readonly to: Date;
  /** Only says what would be fired. */
  readonly isDryRun?: boolean;
}
