/**
 * The circuit breaker of a source. closed: requests pass. open: none passes until its pause is over. half-open: one
 * process of the fleet asks the source something that it always answers when it is well; what comes of this probe closes
 * the breaker or opens it again.
 * (Michael Nygard, Release It!, 2007.)
 */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** What lets a request to a source through. `src/gate` implements it; whoever sends requests only uses it. */
export interface Gate {
  /**
   * Resolves when the next request may be sent. Rejects with the signal's reason when that is aborted first, and with
   * a GateClosedError at once when the gate will stay closed for longer than a request should wait.
   */
  admit(signal?: AbortSignal): Promise<void>;
  /**
   * Tells what became of a request that was admitted: null for an answer that was taken, else what went wrong.
   */
  settle(error: unknown): Promise<void>;
  /** The source asked to be left alone until then. */
  closeUntil(time: Date): Promise<void>;
  /** Until when no request passes; null when they do. */
  closedUntil(): Date | null;
}
