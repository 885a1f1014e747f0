import { setTimeout as sleep } from 'node:timers/promises';
import { GateClosedError } from '../domain/errors.ts';

/** How soon a request that waits for its slot sees that the gate has closed. */
const LOOK_MS = 1_000;
/** Two ends of a closing that differ by less are the same. */
const SAME_END_MS = 100;

/** When this process may send: one request in each slot, and none while the gate is closed. */
export interface Slots {
  /** Throws a GateClosedError when the gate stays closed for longer than a request should wait. */
  checkOpen(): void;
  /** Waits for the next slot. Rejects with an AbortError, or a GateClosedError. */
  next(signal?: AbortSignal): Promise<void>;
  /** The rate has fallen: the next slot is a whole interval from now. */
  putOff(): void;
  /** False when the gate is closed until then already. */
  closeFor(ms: number): boolean;
  closedForMs(): number;
}

export interface SlotOptions {
  readonly source: string;
  /** From one slot to the next, now. */
  readonly intervalMs: () => number;
  readonly maxWaitMs: number;
}

/**
 * Hands out slots evenly, in the order of asking. Time is the monotonic clock's: a wall clock that is set back must not
 * hold requests up.
 */
export function createSlots({ source, intervalMs, maxWaitMs }: SlotOptions): Slots {
  let nextAt = 0;
  let closedUntil = 0;

  const take = (): number => {
    const slotAt = Math.max(performance.now(), nextAt, closedUntil);
    nextAt = slotAt + intervalMs();
    return slotAt;
  };

  const checkOpen = (): void => {
    const closedForMs = closedUntil - performance.now();
    if (closedForMs > maxWaitMs) throw new GateClosedError(source, closedForMs);
  };

  return {
    checkOpen,
    // The gate may close while a request waits: then it takes another slot after that, so that none leave together.
    next: async (signal) => {
      let slotAt = take();
      for (let now = performance.now(); now < slotAt; now = performance.now()) {
        checkOpen();
        await sleep(Math.min(slotAt - now, LOOK_MS), undefined, signal === undefined ? {} : { signal });
        if (closedUntil > slotAt) slotAt = take();
      }
    },
    putOff: () => {
      nextAt = Math.max(nextAt, performance.now() + intervalMs());
    },
    closeFor: (ms) => {
      const until = performance.now() + ms;
      if (until <= closedUntil + SAME_END_MS) return false;
      closedUntil = until;
      return true;
    },
    closedForMs: () => Math.max(0, closedUntil - performance.now()),
  };
}
