/** Facts about an error that logs, reports and tests may rely on; never secrets. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null | undefined>>;

interface SheafErrorOptions {
  /** Stable, kebab-case; documented in docs/errors.md. */
  readonly code: string;
  readonly facts?: ErrorFacts;
  readonly cause?: unknown;
}

/**
 * The root of every error that Sheaf raises on purpose. The subclass carries the decision: whether trying again can
 * help, or who has to act. The message says what happened, where, and what to do.
 */
export abstract class SheafError extends Error {
  readonly code: string;
  readonly facts: ErrorFacts;

  constructor(message: string, options: SheafErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.facts = options.facts ?? {};
  }
}

/** Trying again later can help: a dropped connection, a 503, a body cut short. */
export class TransientError extends SheafError {
  /** When the other side asked to be left alone until, from `Retry-After`; null when it did not say. */
  readonly retryAt: Date | null;

  constructor(message: string, options: SheafErrorOptions & { readonly retryAt?: Date | null }) {
    super(message, options);
    this.retryAt = options.retryAt ?? null;
  }
}

/** Trying again cannot help without a change at the source or in the request. */
export class PermanentError extends SheafError {}

/** What the person asked for cannot be done as asked: exit code 2. */
export class UsageError extends SheafError {}

/** Something this machine or its operator must put right: a database that is down, a full disk. Exit code 1. */
export class OperatorError extends SheafError {}

/** An error as it is stored in the ledger and shown in reports. */
export interface StoredError {
  readonly code: string;
  readonly message: string;
  readonly facts: ErrorFacts;
}

/** Turns anything thrown into what the ledger stores. Messages of foreign errors are kept, their stacks are not. */
export function toStoredError(error: unknown): StoredError {
  if (error instanceof SheafError) return { code: error.code, message: error.message, facts: error.facts };
  const message = error instanceof Error ? error.message || error.name : String(error);
  return { code: 'unexpected', message, facts: {} };
}

/** The gate of a source is closed for a while: not a failure. The work waits without using an attempt. */
export class GateClosedError extends SheafError {
  /** How long it will stay closed, as far as is known. */
  readonly waitMs: number;

  /** `error`: what the source fails by, where that is why; null where it asked for the pause. */
  constructor(source: string, waitMs: number, error: StoredError | null = null) {
    const pause = `${source} is left alone for another ${Math.ceil(waitMs / 1_000)} seconds`;
    const why =
      error === null
        ? ''
        : `, because it does not answer: ${error.message}. Try again later; \`sheaf doctor\` and \`sheaf status\` tell more`;
    super(`${pause}${why}`, { code: 'gate-closed', facts: { source, waitMs, why: error?.code } });
    this.waitMs = waitMs;
  }
}

/** A source that throttles (429) is well: it asks for fewer requests, and the one that it refused has not failed. */
export function isThrottled(error: unknown): error is TransientError {
  return error instanceof TransientError && error.code === 'http-429';
}
