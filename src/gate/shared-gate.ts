import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import {
  closeGate,
  type GateState,
  OPEN_GATE,
  readGate,
  recordFailure,
  recordSuccess,
  saveLearntLimit,
  takeProbe,
} from '../db/queries/gates.ts';
import { GateClosedError, isThrottled, PermanentError, TransientError, toStoredError } from '../domain/errors.ts';
import type { Gate, GateRequest, Passage } from '../domain/gate.ts';
import type { Telemetry } from '../telemetry/events.ts';
import type { PaceGate } from './pace-gate.ts';

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
  readonly pace: PaceGate;
  readonly telemetry: Telemetry;
  /** Asks the source something that it always answers when it is well. Null when it did, else what went wrong. */
  readonly probe: () => Promise<unknown>;
  /** A request does not wait longer than this for the breaker: its slice is postponed instead. */
  readonly maxWaitMs?: number;
}

/**
 * The gate of a source as the whole fleet shares it: its breaker, its `Retry-After` and what it was found to bear live
 * in one row of the database, mirrored here. While requests succeed, nothing is read or written; a failure costs one
 * statement.
 */
export function createSharedGate(options: SharedGateOptions): SharedGate {
  const { source, database, pace, telemetry, probe, maxWaitMs = 60_000 } = options;
  let state: GateState = OPEN_GATE;
  let readAt = 0;
  let told: GateState['breaker'] = 'closed';
  let firstLook: Promise<void> | undefined;

  /** A database that is away must not fail requests: until it is back, the gate stays as it was seen last. */
  const orTell = async <T>(work: Promise<T>, otherwise: T): Promise<T> =>
    work.catch((error: unknown) => {
      telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) });
      return otherwise;
    });

  const refresh = async (): Promise<void> => {
    const read = await orTell(readGate(database, source), null);
    if (read === null) return;
    state = read;
    readAt = performance.now();
    // The breaker's pause is for passBreaker to wait for; only what the source asked for closes the pace.
    if (state.breaker === 'closed' && state.closedForMs > 0) await pace.closeFor(state.closedForMs);
    if (state.learnt !== null) pace.adopt({ ...state.learnt, learntAt: readAt - state.learnt.ageMs });
    if (state.breaker === told) return;
    told = state.breaker;
    telemetry.emit('gate.breaker', { source, breaker: told, error: told === 'closed' ? null : state.error });
  };

  /** When the next request may pass as far as the breaker goes; a half-open one is looked at again soon. */
  const closedForMs = (): number => {
    if (state.breaker === 'closed') return pace.closedForMs();
    if (state.breaker === 'half-open') return LOOK_MS;
    return Math.max(1, readAt + state.closedForMs - performance.now());
  };

  /** The breaker's part in what became of a request. */
  const settle = async (error: unknown): Promise<void> => {
    if (error === null || error instanceof PermanentError || isThrottled(error)) {
      if (state.breaker === 'closed' && state.failures === 0) return;
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
    const givesUpAt = performance.now() + maxWaitMs;
    while (state.breaker !== 'closed') {
      signal?.throwIfAborted();
      const waitMs = closedForMs();
      if (performance.now() + waitMs > givesUpAt) throw new GateClosedError(source, waitMs, state.error);
      if (await orTell(takeProbe(database, source), false)) await settle(await probe());
      else await sleep(LOOK_MS, undefined, signal === undefined ? {} : { signal });
      await refresh();
    }
  };

  /** A request waits its turn in the pace; should the breaker have opened meanwhile, it waits for that, too. */
  const admit = async (request: GateRequest = {}): Promise<Passage> => {
    firstLook ??= refresh(); // a process that has just begun knows nothing of what the fleet knows
    await firstLook;
    for (;;) {
      await passBreaker(request.signal);
      const passage = await pace.admit(request);
      if (state.breaker === 'closed') {
        return {
          answered: () => passage.answered(),
          settle: async (error) => {
            const before = pace.learnt();
            await passage.settle(error);
            const learnt = pace.learnt();
            if (learnt !== null && learnt !== before)
              await orTell(saveLearntLimit(database, source, learnt), undefined);
            await settle(error);
          },
        };
      }
      await passage.settle(new Error('not sent: the breaker has opened'));
    }
  };

  return {
    refresh,
    closedForMs,
    admit,
    closeFor: async (ms) => {
      await pace.closeFor(ms);
      await orTell(closeGate(database, source, ms), undefined);
    },
  };
}
