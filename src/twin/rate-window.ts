import type { RateLimit } from './behaviour.ts';

/** Remembers who was let in. */
export type RateWindow = {
  /** Lets a request in, or does not; times are in milliseconds and never go back. */
  readonly admits: (limit: RateLimit | null, nowMs: number) => boolean;
};

/** A sliding window: at no moment have more requests than the limit been let in within the time before it. */
export function createRateWindow(): RateWindow {
  const admitted: number[] = [];
  let closedUntil = Number.NEGATIVE_INFINITY;
  return {
    admits: (limit, nowMs) => {
      if (limit === null) return true;
      while (admitted.length > 0 && (admitted[0] ?? 0) <= nowMs - limit.perMs) admitted.shift();
      if (nowMs >= closedUntil && admitted.length < limit.requests) {
        admitted.push(nowMs);
        return true;
      }
      if (limit.penaltyMs !== undefined) closedUntil = nowMs + limit.penaltyMs;
      return false;
    },
  };
}
