import { setTimeout as sleep } from 'node:timers/promises';
import { GateClosedError } from '../domain/errors.ts';
import type { Gate } from '../domain/gate.ts';
import type { Telemetry } from '../telemetry/events.ts';

export interface RateGateOptions {
  readonly source: string;
  /** What the whole fleet may send a second; null for no limit. */
  readonly requestsPerSecond: number | null;
  /** The part of it that is this process's, above 0 and at most 1. */
  readonly share: () => number;
  readonly telemetry: Telemetry;
  /** A request does not wait longer than this for a closed gate: its slice is postponed instead. */
  readonly maxWaitMs?: number;
}

/**
 * Lets requests through evenly, one each 1/rate seconds, without bursts, and none while the source has asked to be left
 * alone. Requests are served in the order in which they came.
 */
export function createRateGate({
  source,
  requestsPerSecond,
  share,
  telemetry,
  maxWaitMs = 60_000,
}: RateGateOptions): Gate {
  let nextSlotAt = 0;
  let closedUntil = 0;

  const takeSlot = (now: number): number => {
    const slotAt = Math.max(now, nextSlotAt, closedUntil);
    nextSlotAt = slotAt + (requestsPerSecond === null ? 0 : 1_000 / (requestsPerSecond * share()));
    return slotAt;
  };

  return {
    admit: async (signal) => {
      signal?.throwIfAborted();
      if (closedUntil - Date.now() > maxWaitMs) throw new GateClosedError(source, new Date(closedUntil));
      const slotAt = takeSlot(Date.now());
      // The gate may close while a request waits for its slot: then it waits on.
      for (let wakeAt = slotAt; wakeAt > Date.now(); wakeAt = Math.max(slotAt, closedUntil)) {
        await sleep(wakeAt - Date.now(), undefined, signal === undefined ? {} : { signal });
      }
    },
    settle: async () => undefined,
    closedUntil: () => (closedUntil > Date.now() ? new Date(closedUntil) : null),
    closeUntil: async (time) => {
      if (time.getTime() <= closedUntil) return;
      closedUntil = time.getTime();
      telemetry.emit('gate.closed', { source, until: time });
    },
  };
}
