import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import type { Drift } from '../domain/drift.ts';
import type { StoredError } from '../domain/errors.ts';
import type { BreakerState } from '../domain/gate.ts';
import type { RunKind } from '../domain/harvest-request.ts';
import type { Channel } from '../domain/notification.ts';
import type { MergeCounts } from '../domain/proof.ts';
import type { RunState } from '../domain/run.ts';
import type { FiringKind } from '../domain/schedule.ts';
import { type Attributes, NO_TRACER, type Span, type Tracer } from './tracer.ts';

/** What work is done for: each event that it emits carries these names, too. */
export interface Scope {
  readonly run: string;
  readonly slice?: number;
}

/** One try to tell somebody of the end of a run, with what came of it in words. */
export interface NotificationTry {
  run: string;
  id: string;
  channel: Channel;
  attempt: number;
  durationMs: number;
  detail: string;
}

/** One try to tell a subscriber of changes. */
export interface FeedTry {
  subscription: string;
  dataset: string;
  id: string;
  changes: number;
  durationMs: number;
}

/**
 * Everything that Sheaf tells about its work while it works. The engine only emits; logs, metrics and traces subscribe.
 * Times are milliseconds.
 */
export interface SheafEvents {
  'request.finished': { source: string; status: number; durationMs: number; bytes: number };
  'request.retried': { source: string; attempt: number; delayMs: number; error: StoredError };
  'gate.closed': { source: string; forMs: number };
  'gate.slowed': { source: string; requestsPerSecond: number };
  'gate.narrowed': { source: string; requestsAtOnce: number };
  'gate.breaker': { source: string; breaker: BreakerState; error: StoredError | null };
  'run.planned': { run: string; dataset: string; kind: RunKind; slices: number; expected: number | null };
  'run.state': { run: string; state: RunState; reason: string | null };
  'run.stalled': { run: string; forMs: number; waiting: number; held: number };
  'slice.claimed': { run: string; slice: number; attempt: number };
  'slice.split': { run: string; slice: number; into: number };
  'slice.settled': { run: string; slice: number; outcome: string; error: StoredError | null };
  'pages.staged': StagedFacts;
  'run.drifted': { run: string; dataset: string } & Drift;
  'run.reread': { run: string; slices: number; added: number };
  'finalise.step': { run: string; step: 'verify' | 'judge' | 'export' | 'merge' | 'publish'; durationMs: number };
  'run.merged': { run: string; dataset: string } & MergeCounts;
  'reconcile.repaired': { run: string; what: string; count: number };
  'schedule.fired': ScheduleEvent & { runs: readonly string[]; lateMs: number };
  'schedule.skipped': ScheduleEvent & { reason: string };
  'schedule.postponed': ScheduleEvent & { delayMs: number; error: StoredError };
  'schedule.failed': ScheduleEvent & { error: StoredError };
  /** Job schedulers that the queue did not have: of new schedules, or lost. */
  'schedule.restored': { count: number };
  'worker.started': { worker: number; concurrency: number };
  'worker.stopped': { worker: number };
  'worker.deaf': { worker: number; queue: string };
  'worker.lost': { worker: number; error: StoredError };
  'server.failed': { method: string; path: string; error: StoredError };
  'connection.trouble': { store: string; error: StoredError };
  'notification.delivered': NotificationTry;
  /** `againInMs` is null when it has been given up. */
  'notification.failed': NotificationTry & { againInMs: number | null };
  'feed.delivered': FeedTry;
  /** `failures` is how many tries have failed in a row. */
  'feed.failed': FeedTry & { failures: number; detail: string; againInMs: number };
  /** This process lacks what telling it takes, and leaves that to others. Said once. */
  'feed.left': { subscription: string; reason: string };
  /** The receiver has said that it is gone. */
  'feed.paused': { subscription: string; reason: string };
  /** Changes were dropped, too old to be kept any longer, that the subscriber had not been told. */
  'feed.gap': { subscription: string; dataset: string };
  /** A month of changes is kept longer than was wished, for a subscriber that has not had it. */
  'feed.held': { month: string };
  /** `route` is the pattern, never the address that was asked for: that may hold secrets. */
  'http.answered': { method: string; route: string; status: number; durationMs: number; actor: string | null };
}

/** Pages of a slice that are in, together. `durationMs` is how long staging took, `fetchMs` how long the answered requests took. */
export interface StagedFacts {
  run: string;
  slice: number;
  dataset: string;
  pages: number;
  records: number;
  rejects: number;
  durationMs: number;
  fetchMs: number;
  /** The longest of them. */
  fetchMaxMs: number;
  /** Sent for them, the answered ones included. */
  requests: number;
  bytes: number;
}

/** A firing of a schedule; `dueAt` is its identity, as ISO 8601. */
interface ScheduleEvent {
  schedule: string;
  kind: FiringKind;
  dueAt: string;
}

export type EventName = keyof SheafEvents;

export interface Telemetry {
  emit<Name extends EventName>(name: Name, event: SheafEvents[Name]): void;
  on<Name extends EventName>(name: Name, listener: (event: SheafEvents[Name]) => void): void;
  off<Name extends EventName>(name: Name, listener: (event: SheafEvents[Name]) => void): void;
  /** Does `work` for a run: its events carry the run's id, and its spans belong to the run's trace. */
  within<T>(scope: Scope, work: () => T): T;
  /** Does `work` as a span of the trace that it is part of; a plain call when nothing is traced. */
  span<T>(name: string, attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T>;
  /** Starts a span that does not end with a call; whoever starts it ends it. */
  startSpan(name: string, attributes: Attributes): Span;
}

/** A telemetry bus. Listeners run in the emitter's turn: they must be quick and must not throw. */
export function createTelemetry(tracer: Tracer = NO_TRACER): Telemetry {
  const bus = new EventEmitter();
  const scopes = new AsyncLocalStorage<Scope>();
  bus.setMaxListeners(50);
  return {
    emit: (name, event) => void bus.emit(name, { ...scopes.getStore(), ...event }),
    on: (name, listener) => void bus.on(name, listener),
    off: (name, listener) => void bus.off(name, listener),
    within: (scope, work) => scopes.run(scope, () => tracer.withinRun(scope.run, work)),
    startSpan: (name, attributes) => tracer.startSpan(name, attributes),
    span: async (name, attributes, work) => {
      const span = tracer.startSpan(name, attributes);
      try {
        return await span.inside(() => work(span));
      } catch (error) {
        span.fail(error);
        throw error;
      } finally {
        span.end();
      }
    },
  };
}
