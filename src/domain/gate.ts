/** What lets a request to a source through. `src/gate` implements it; whoever sends requests only waits for it. */
export interface Gate {
  /**
   * Resolves when the next request may be sent. Rejects with the signal's reason when that is aborted first, and with
   * a GateClosedError at once when the gate will stay closed for longer than a request should wait.
   */
  admit(signal?: AbortSignal): Promise<void>;
  /** The source asked to be left alone until then. */
  closeUntil(time: Date): void;
}
