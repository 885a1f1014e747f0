import { EventEmitter } from 'node:events';
import type { StoredError } from '../domain/errors.ts';
import type { BreakerState } from '../domain/gate.ts';
import type { RunState } from '../domain/run.ts';

/**
 * Everything that Sheaf tells about its work while it works. The engine only emits; logs, progress and (later) metrics
 * subscribe. Times are milliseconds.
 */
export interface SheafEvents {
  'request.finished': { source: string; status: number; durationMs: number; bytes: number };
  'request.retried': { source: string; attempt: number; delayMs: number; error: StoredError };
  'gate.closed': { source: string; forMs: number };
  'gate.slowed': { source: string; requestsPerSecond: number };
  'gate.narrowed': { source: string; requestsAtOnce: number };
  'gate.breaker': { source: string; breaker: BreakerState; error: StoredError | null };
  'run.planned': { run: string; dataset: string; slices: number; expected: number | null };
  'run.state': { run: string; state: RunState; reason: string | null };
  'run.stalled': { run: string; forMs: number; waiting: number; held: number };
  'slice.claimed': { run: string; slice: number; attempt: number };
  'slice.split': { run: string; slice: number; into: number };
  'slice.settled': { run: string; slice: number; outcome: string; error: StoredError | null };
  'page.staged': { run: string; slice: number; records: number; rejects: number; durationMs: number };
  'run.reread': { run: string; slices: number; added: number };
  'finalise.step': { run: string; step: 'verify' | 'export' | 'merge' | 'publish'; durationMs: number };
  'reconcile.repaired': { run: string; what: string; count: number };
  'worker.started': { worker: number; concurrency: number };
  'worker.stopped': { worker: number };
  'worker.deaf': { worker: number; queue: string };
  'worker.lost': { worker: number; error: StoredError };
  'server.failed': { method: string; path: string; error: StoredError };
  'connection.trouble': { store: string; error: StoredError };
}

export type EventName = keyof SheafEvents;

export interface Telemetry {
  emit<Name extends EventName>(name: Name, event: SheafEvents[Name]): void;
  on<Name extends EventName>(name: Name, listener: (event: SheafEvents[Name]) => void): void;
  off<Name extends EventName>(name: Name, listener: (event: SheafEvents[Name]) => void): void;
}

/** A telemetry bus. Listeners run in the emitter's turn: they must be quick and must not throw. */
export function createTelemetry(): Telemetry {
  const bus = new EventEmitter();
  bus.setMaxListeners(50);
  return {
    emit: (name, event) => void bus.emit(name, event),
    on: (name, listener) => void bus.on(name, listener),
    off: (name, listener) => void bus.off(name, listener),
  };
}
