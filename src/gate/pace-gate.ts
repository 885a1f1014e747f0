import { isThrottled, PermanentError, TransientError } from '../domain/errors.ts';
import type { Gate } from '../domain/gate.ts';
import type { Telemetry } from '../telemetry/events.ts';
import { type LearntRate, learn, rateAt } from './learnt-rate.ts';
import { createRequestWindow, type RequestEnd } from './request-window.ts';
import { createSlots } from './slots.ts';

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

/**
 * Lets requests through evenly, one each 1/rate seconds, without bursts, so many at once and no more, and none while
 * the source has asked to be left alone. Requests are served in the order in which they came.
 *
 * Rate and number are the process's share of what is set for the fleet; inside it they adapt: the rate to throttling
 * (429), the number of requests under way to latency and to failures.
 */
export function createPaceGate(options: PaceGateOptions): PaceGate {
  const { source, requestsPerSecond, concurrency, connections, share, telemetry, maxWaitMs = 60_000 } = options;
  const window = createRequestWindow(() => Math.min(connections, (concurrency ?? Number.POSITIVE_INFINITY) * share()));
  const answers = createAnswerCount();
  let learnt: LearntRate | null = null;

  /** Requests a second, the fleet's, whatever is set and whatever was learnt. */
  const allowedRate = (now: number): number => {
    const borne = learnt === null ? Number.POSITIVE_INFINITY : rateAt(learnt, now);
    return Math.min(requestsPerSecond ?? Number.POSITIVE_INFINITY, borne);
  };
  const intervalMs = () => 1_000 / (allowedRate(performance.now()) * share());
  const slots = createSlots({ source, intervalMs, maxWaitMs });

  const slowDown = (sentAt: number, now: number) => {
    const before = learnt;
    const answered = answers.perSecond(now) / share();
    learnt = learn(learnt, { now, sentAt, allowed: allowedRate(now), answered });
    if (learnt === before) return;
    slots.putOff();
    telemetry.emit('gate.slowed', { source, requestsPerSecond: rateAt(learnt, now) });
  };

  const settle = (error: unknown, { sentAt, endedAt: now, kind }: Ended) => {
    if (error === null) answers.add(now);
    if (isThrottled(error)) slowDown(sentAt, now);
    const narrowedFrom = window.width();
    window.heed({ end: endOf(error), kind, sentAt, now });
    if (window.width() < narrowedFrom) telemetry.emit('gate.narrowed', { source, requestsAtOnce: window.width() });
  };

  return {
    admit: async ({ signal, kind } = {}) => {
      signal?.throwIfAborted();
      slots.checkOpen();
      await window.enter(signal);
      try {
        await slots.next(signal);
      } catch (error) {
        window.leave();
        signal?.throwIfAborted();
        throw error;
      }
      const sentAt = performance.now();
      let endedAt: number | null = null;
      const answered = () => {
        if (endedAt !== null) return;
        endedAt = performance.now();
        window.leave();
      };
      return {
        answered,
        settle: async (error) => {
          settle(error, { sentAt, endedAt: endedAt ?? performance.now(), kind });
          answered(); // what is learnt from its end holds for the next one already
        },
      };
    },
    closedForMs: () => slots.closedForMs(),
    closeFor: async (ms) => {
      if (slots.closeFor(ms)) telemetry.emit('gate.closed', { source, forMs: Math.round(ms) });
    },
    learnt: () => learnt,
    adopt: (other) => {
      if (learnt === null || isBetter(other, learnt)) learnt = other;
    },
  };
}

/** A request whose answer, or whose failure, has come. */
interface Ended {
  readonly sentAt: number;
  readonly endedAt: number;
  readonly kind: string | undefined;
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
