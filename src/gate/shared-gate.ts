import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import { closeGate, readGate, recordFailure, recordSuccess, takeProbe } from '../db/queries/gates.ts';
import type { GateRow } from '../db/schema.ts';
import { GateClosedError, PermanentError, TransientError, toStoredError } from '../domain/errors.ts';
import type { Gate } from '../domain/gate.ts';
import type { Telemetry } from '../telemetry/events.ts';

/** What of the row decides whether requests pass. */
type GateMirror = Pick<GateRow, 'breaker' | 'failures' | 'closedUntil'>;

/** As long as nothing has gone wrong, a source has no row. */
const OPEN_WIDE: GateMirror = { breaker: 'closed', failures: 0, closedUntil: null };

/** How often a request that waits looks whether the breaker has moved; a notification is quicker. */
const LOOK_MS = 500;

export interface SharedGate extends Gate {
  /** Reads the gate's row again: when the database says that it has changed, and now and then. */
  refresh(): Promise<void>;
}

export interface SharedGateOptions {
  readonly source: string;
  readonly database: Database;
  /** Paces this process's requests; the shared gate stands before it. */
  readonly pace: Gate;
  readonly telemetry: Telemetry;
  /** Asks the source something that it always answers when it is well. Null when it did, else what went wrong. */
  readonly probe: () => Promise<unknown>;
  /** A request does not wait longer than this for the breaker: its slice is postponed instead. */
  readonly maxWaitMs?: number;
}

/**
 * The gate of a source as the whole fleet shares it: its breaker and its `Retry-After` live in one row of the database,
 * mirrored here. While requests succeed, nothing is read or written; a failure costs one statement.
 */
export function createSharedGate(options: SharedGateOptions): SharedGate {
  const { source, database, pace, telemetry, probe, maxWaitMs = 60_000 } = options;
  let row: GateMirror = OPEN_WIDE;

  /** A database that is away must not fail requests: until it is back, the gate stays as it was seen last. */
  const orTell = async <T>(work: Promise<T>, otherwise: T): Promise<T> =>
    work.catch((error: unknown) => {
      telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) });
      return otherwise;
    });

  const refresh = async (): Promise<void> => {
    const before = row.breaker;
    row = (await orTell<GateMirror | undefined>(readGate(database, source), row)) ?? OPEN_WIDE;
    if (row.closedUntil !== null) await pace.closeUntil(row.closedUntil);
    if (row.breaker !== before) telemetry.emit('gate.breaker', { source, breaker: row.breaker });
  };

  /** When the next request may pass as far as the breaker goes; a half-open one is looked at again soon. */
  const closedUntil = (): Date | null => {
    if (row.breaker === 'half-open') return new Date(Date.now() + LOOK_MS);
    if (row.breaker === 'open') return row.closedUntil ?? new Date();
    return pace.closedUntil();
  };

  const settle = async (error: unknown): Promise<void> => {
    if (error === null || error instanceof PermanentError || isThrottled(error)) {
      if (row.breaker === 'closed' && row.failures === 0) return;
      await orTell(recordSuccess(database, source), undefined);
    } else if (error instanceof TransientError) {
      await orTell(recordFailure(database, source, toStoredError(error)), undefined);
    } else {
      return; // an abort of ours says nothing about the source
    }
    await refresh();
  };

  /** Waits until the breaker is closed; probes when it is this process's turn to. */
  const passBreaker = async (signal?: AbortSignal): Promise<void> => {
    const givesUpAt = Date.now() + maxWaitMs;
    while (row.breaker !== 'closed') {
      signal?.throwIfAborted();
      const until = closedUntil() ?? new Date();
      if (until.getTime() > givesUpAt || Date.now() > givesUpAt) throw new GateClosedError(source, until);
      if (await orTell(takeProbe(database, source), false)) await settle(await probe());
      else await sleep(LOOK_MS, undefined, signal === undefined ? {} : { signal });
      await refresh();
    }
  };

  return {
    refresh,
    closedUntil,
    admit: async (signal) => {
      if (row.breaker !== 'closed') await passBreaker(signal);
      await pace.admit(signal);
    },
    settle,
    closeUntil: async (time) => {
      await pace.closeUntil(time);
      await orTell(closeGate(database, source, time), undefined);
    },
  };
}

/** A source that throttles is well: it is for the pace to heed that, not for the breaker. */
function isThrottled(error: unknown): boolean {
  return error instanceof TransientError && error.code === 'http-429';
}
