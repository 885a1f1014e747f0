import { setTimeout as sleep } from 'node:timers/promises';
import { GateClosedError, isThrottled, PermanentError, TransientError } from '../domain/errors.ts';
import type { Gate, Passage } from '../domain/gate.ts';
import type { Telemetry } from '../telemetry/events.ts';
import { type LearntRate, learn, rateAt } from './learnt-rate.ts';
import { createRequestWindow, type RequestEnd } from './request-window.ts';

export interface PaceGateOptions {
  readonly source: string;
  /** What the whole fleet may send a second; null for no limit. */
  readonly requestsPerSecond: number | null;
  /** Requests that the whole fleet may have under way at once; null for no limit. */
  readonly concurrency: number | null;
  /** Requests that this process can have under way at once. */
  readonly connections: number;
  /** The part of both that is this process's, above 0 and at most 1. */
  readonly share: () => number;
  readonly telemetry: Telemetry;
  /** A request does not wait longer than this for a closed gate: its slice is postponed instead. */
  readonly maxWaitMs?: number;
}

export interface PaceGate extends Gate {
  /** What the source was last found to bear, by `performance.now()`; null when it never throttled. */
  learnt(): LearntRate | null;
  /** Takes over what another process of the fleet has learnt, unless this one has learnt something since. */
  adopt(learnt: LearntRate): void;
}

/** How soon a request that waits for its slot sees that the gate has closed. */
const LOOK_MS = 1_000;
/** Two ends of a closing that differ by less are the same. */
const SAME_END_MS = 100;

/**
 * Lets requests through evenly, one each 1/rate seconds, without bursts, so many at once and no more, and none while
 * the source has asked to be left alone. Requests are served in the order in which they came.
 *
 * Rate and number are the process's share of what is set for the fleet; inside it they adapt: the rate to throttling
 * (429), the number of requests under way to latency and to failures. Time is the monotonic clock's: a wall clock that
 * is set back must not hold requests up.
 */
export function createPaceGate(options: PaceGateOptions): PaceGate {
  const { source, requestsPerSecond, concurrency, connections, share, telemetry, maxWaitMs = 60_000 } = options;
  const window = createRequestWindow(() => Math.min(connections, (concurrency ?? Number.POSITIVE_INFINITY) * share()));
  const answers = createAnswerCount();
  let learnt: LearntRate | null = null;
  let nextSlotAt = 0;
  let closedUntil = 0;

  /** The fleet's, whatever is set and whatever was learnt. */
  const allowedRate = (now: number): number =>
    Math.min(
      requestsPerSecond ?? Number.POSITIVE_INFINITY,
      learnt === null ? Number.POSITIVE_INFINITY : rateAt(learnt, now),
    );

  const takeSlot = (now: number): number => {
    const slotAt = Math.max(now, nextSlotAt, closedUntil);
    nextSlotAt = slotAt + 1_000 / (allowedRate(now) * share());
    return slotAt;
  };

  /** The gate may close while a request waits for its slot: then it takes another after that, or waits no longer. */
  const awaitSlot = async (signal?: AbortSignal): Promise<void> => {
    let slotAt = takeSlot(performance.now());
    for (let now = performance.now(); now < slotAt; now = performance.now()) {
      if (closedUntil - now > maxWaitMs) throw new GateClosedError(source, closedUntil - now);
      await sleep(Math.min(slotAt - now, LOOK_MS), undefined, signal === undefined ? {} : { signal });
      if (closedUntil > slotAt) slotAt = takeSlot(performance.now());
    }
  };

  const slowDown = (sentAt: number, now: number) => {
    const before = learnt;
    const answered = answers.perSecond(now) / share();
    learnt = learn(learnt, { now, sentAt, allowed: allowedRate(now), answered });
    if (learnt === before) return;
    nextSlotAt = Math.max(nextSlotAt, now + 1_000 / (allowedRate(now) * share()));
    telemetry.emit('gate.slowed', { source, requestsPerSecond: rateAt(learnt, now) });
  };

  const passage = (sentAt: number, kind: string | undefined): Passage => ({
    settle: async (error) => {
      const now = performance.now();
      if (error === null) answers.add(now);
      if (isThrottled(error)) slowDown(sentAt, now);
      const narrowedFrom = window.width();
      window.leave({ end: endOf(error), kind, sentAt, now });
      if (window.width() < narrowedFrom) telemetry.emit('gate.narrowed', { source, requestsAtOnce: window.width() });
    },
  });

  return {
    admit: async ({ signal, kind } = {}) => {
      signal?.throwIfAborted();
      const closedForMs = closedUntil - performance.now();
      if (closedForMs > maxWaitMs) throw new GateClosedError(source, closedForMs);
      await window.enter(signal);
      try {
        await awaitSlot(signal);
      } catch (error) {
        window.leave({ end: 'void', sentAt: 0, now: 0 });
        signal?.throwIfAborted();
        throw error;
      }
      return passage(performance.now(), kind);
    },
    closedForMs: () => Math.max(0, closedUntil - performance.now()),
    closeFor: async (ms) => {
      const until = performance.now() + ms;
      if (until <= closedUntil + SAME_END_MS) return;
      closedUntil = until;
      telemetry.emit('gate.closed', { source, forMs: Math.round(ms) });
    },
    learnt: () => learnt,
    adopt: (other) => {
      if (learnt === null || isBetter(other, learnt)) learnt = other;
    },
  };
}

/** Of what two processes have learnt the later is better; of two first guesses the higher, since both are too low. */
function isBetter(other: LearntRate, own: LearntRate): boolean {
  return other.isGuess && own.isGuess ? other.limit > own.limit : other.learntAt > own.learntAt;
}

/** What a request's end tells of the source: throttling is for the rate to heed, and a missing page is no trouble. */
function endOf(error: unknown): RequestEnd['end'] {
  if (error === null) return 'well';
  if (isThrottled(error) || error instanceof PermanentError) return 'void';
  return error instanceof TransientError ? 'trouble' : 'void';
}

/** Counts answers over the last second. */
function createAnswerCount(): { add(now: number): void; perSecond(now: number): number } {
  const times: number[] = [];
  const forget = (now: number) => {
    while (times[0] !== undefined && times[0] < now - 1_000) times.shift();
  };
  return {
    add: (now) => {
      forget(now);
      times.push(now);
    },
    perSecond: (now) => {
      forget(now);
      return times.length;
    },
  };
}
