/**
 * The circuit breaker of a source. closed: requests pass. open: none passes until its pause is over. half-open: one
 * process of the fleet asks the source something that it always answers when it is well; what comes of this probe closes
 * the breaker or opens it again.
 * (Michael Nygard, Release It!, 2007.)
 */
export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * What lets a request to a source through. `src/gate` implements it; whoever sends requests only uses it. Times are
 * durations and not dates: clocks of several machines disagree, and jump.
 */
export interface Gate {
  /**
   * Resolves when the next request may be sent. Rejects with the signal's reason when that is aborted first, and with
   * a GateClosedError at once when the gate will stay closed for longer than a request should wait.
   */
  admit(request?: GateRequest): Promise<Passage>;
  /** The source asked to be left alone for so many milliseconds. */
  closeFor(ms: number): Promise<void>;
  /** For how many more milliseconds no request passes; 0 when they do. */
  closedForMs(): number;
}

/** What a gate needs to know of a request. */
export interface GateRequest {
  readonly signal?: AbortSignal | undefined;
  /** Requests of the same kind take equally long while the source is well; one without a kind tells nothing by its time. */
  readonly kind?: string | undefined;
}

/** One request that was let through. */
export interface Passage {
  /**
   * The whole of an answer is here that seems well: before it is read another request may take its place. Need not be
   * called; what comes of the answer is told all the same.
   */
  answered(): void;
  /**
   * Tells what became of the request; to be called exactly once. Null for an answer that was taken, else what went
   * wrong; an error that is none of the source's, such as an abort of ours, says nothing about it.
   */
  settle(error: unknown): Promise<void>;
}
