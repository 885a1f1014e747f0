import type { FaultRule, RetryAfter } from './faults.ts';

/** How long an answer waits, in milliseconds: always the same, evenly spread between two bounds, or growing with the load. */
export type Latency = number | { readonly min: number; readonly max: number } | LoadLatency;

/** Spread between two bounds, and longer by `perExtraMs` for each request under way beyond `capacity`, the new one included. */
export type LoadLatency = {
  readonly min: number;
  readonly max: number;
  readonly capacity: number;
  readonly perExtraMs: number;
};

/** So many requests, of all clients, within any stretch of time of this length; the rest is answered 429, at once. */
export type RateLimit = {
  readonly requests: number;
  readonly perMs: number;
  /** A refused request closes the server to all for this long from then on; without it, it leaves no trace. */
  readonly penaltyMs?: number;
  /** The header of a refusal; none unless given. */
  readonly retryAfter?: RetryAfter;
};

/**
 * Where an `odata.nextLink` stands.
 * `truncated`: only where the server cut, so never with a `$top` at or under the cap. `always`: wherever more rows remain.
 * `never`: nowhere. `loop`: as `truncated`, but the link leads to the page it stands on.
 */
export type NextLinkPolicy = 'truncated' | 'always' | 'never' | 'loop';

/** Everything about the server that is not certain, or that a test wants to be wrong. */
export type Behaviour = {
  /** The most rows of a page, and of an expanded collection. */
  readonly cap: number;
  readonly nextLink: NextLinkPolicy;
  /** What a `$filter` over a field that does not exist answers: everything with 200, or 400. */
  readonly invalidFilter: 'ignore' | 'reject';
  /** `ignore`: every `$filter` is taken for granted and not applied. */
  readonly filter: 'apply' | 'ignore';
  /** `shuffle`: rows come in an order of their own, the same for every request, whatever `$orderby` says. */
  readonly orderBy: 'apply' | 'shuffle';
  readonly count: 'string' | 'number' | 'missing';
  /** Added to every count: 3 means three too many, -3 three too few. */
  readonly countError: number;
  /** The body of a 400. */
  readonly errorBody: 'empty' | 'json' | 'html';
  /** Compresses bodies for clients that accept gzip. */
  readonly gzip: boolean;
  readonly latencyMs: Latency;
  /** Null: none. */
  readonly rateLimit: RateLimit | null;
  readonly faults: readonly FaultRule[];
  /** Seeds the latency, the shuffled order and the rates of the faults. */
  readonly seed: number;
};

export const defaultBehaviour: Behaviour = {
  cap: 100,
  nextLink: 'truncated',
  invalidFilter: 'ignore',
  filter: 'apply',
  orderBy: 'apply',
  count: 'string',
  countError: 0,
  errorBody: 'empty',
  gzip: false,
  latencyMs: 0,
  rateLimit: null,
  faults: [],
  seed: 1,
};
