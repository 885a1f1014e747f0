import { mixSeed, seededRandom } from './seeded.ts';
import type { Key } from './table.ts';
import { compareValues } from './table.ts';

/** When a client may come again: in so many seconds, or at a date so many seconds ahead. */
export type RetryAfter = { readonly inSeconds: number } | { readonly dateInSeconds: number };

/** Something that goes wrong with one answer. Times are in milliseconds. */
export type Fault =
  /** Another status; an empty body unless one is given. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: RetryAfter; readonly body?: string }
  /** The connection is reset: at once, or after so many bytes of the body. */
  | { readonly kind: 'reset'; readonly afterBytes?: number }
  /** Content-Length promises the whole body, and this share of it (0 to 1, default a half) is sent. */
  | { readonly kind: 'truncated-body'; readonly sentShare?: number }
  /** 200 with an HTML page, as a proxy in between sends. */
  | { readonly kind: 'html-body' }
  /** 200 with JSON of another shape: `{"error":…}` unless a body is given. */
  | { readonly kind: 'other-shape'; readonly body?: string }
  /** The body comes in pieces, spread over this time. */
  | { readonly kind: 'slow-body'; readonly durationMs: number; readonly pieces?: number }
  /** Nothing comes: until this time is over, or for as long as the client waits. */
  | { readonly kind: 'hang'; readonly forMs?: number }
  /** The last rows of the page (default 1) come twice. */
  | { readonly kind: 'duplicated-rows'; readonly rows?: number }
  /** The last rows of the page (default 1) are missing. */
  | { readonly kind: 'missing-rows'; readonly rows?: number }
  /**
   * The page as if so many rows had been inserted before it, or deleted when negative. Inserted: it begins with rows that
   * the page before it ended with, as far as there are any; in a page that a key begins, they are rows in front of that key.
   * Deleted: its first rows are missing, and it goes on beyond its end.
   */
  | { readonly kind: 'shifted-rows'; readonly rows: number }
  /** The count in this answer, or the one that it is, is off by so many. */
  | { readonly kind: 'wrong-count'; readonly by: number };

/** What a rule may look at. Ordinals count from 1, over all requests and over those for the same set. */
export type RequestFacts = {
  readonly ordinal: number;
  readonly entityOrdinal: number;
  readonly method: string;
  /** Path and query, decoded. */
  readonly path: string;
  readonly entity: string | null;
  /** The keys of the rows on the page; null when it has none. */
  readonly firstKey: Key | null;
  readonly lastKey: Key | null;
};

/** Where a rule applies; everything given must hold. */
export type FaultPlace = {
  readonly entity?: string;
  /** Ordinals of requests for the set, when `entity` is given, otherwise of all. */
  readonly ordinals?: readonly number[];
  /** Pages that may hold this key. */
  readonly key?: Key;
  /** Part of the decoded path and query. */
  readonly pathIncludes?: string;
  readonly matches?: (request: RequestFacts) => boolean;
};

/** A fault, and when it strikes: `rate` 0 to 1 (default 1), `count` the most times (default without end). */
export type FaultRule = {
  readonly fault: Fault;
  readonly rate?: number;
  readonly count?: number;
  readonly where?: FaultPlace;
};

/** What the choice remembers from request to request. */
export type FaultMemory = { readonly struck: Map<FaultRule, number>; readonly visits: Map<string, number> };

export function createFaultMemory(): FaultMemory {
  return { struck: new Map(), visits: new Map() };
}

/**
 * The fault of the first rule that strikes, or null.
 * A rate is drawn from the seed, the path and how often that path was asked for, so that requests which overtake each other
 * change nothing, and a repeated request draws anew.
 */
export function chooseFault(
  rules: readonly FaultRule[],
  request: RequestFacts,
  state: { readonly seed: number; readonly memory: FaultMemory },
): Fault | null {
  if (rules.length === 0) return null;
  const { struck, visits } = state.memory;
  const visit = (visits.get(request.path) ?? 0) + 1;
  visits.set(request.path, visit);
  for (const [index, rule] of rules.entries()) {
    const times = struck.get(rule) ?? 0;
    if (times >= (rule.count ?? Number.POSITIVE_INFINITY) || !isAt(rule.where ?? {}, request)) continue;
    const draw = seededRandom(mixSeed(state.seed, index, visit, request.path))();
    if (draw >= (rule.rate ?? 1)) continue;
    struck.set(rule, times + 1);
    return rule.fault;
  }
  return null;
}

function isAt(place: FaultPlace, request: RequestFacts): boolean {
  const ordinal = place.entity === undefined ? request.ordinal : request.entityOrdinal;
  return (
    (place.entity === undefined || place.entity === request.entity) &&
    (place.ordinals === undefined || place.ordinals.includes(ordinal)) &&
    (place.key === undefined || mayHold(request, place.key)) &&
    (place.pathIncludes === undefined || request.path.includes(place.pathIncludes)) &&
    (place.matches === undefined || place.matches(request))
  );
}

function mayHold({ firstKey, lastKey }: RequestFacts, key: Key): boolean {
  if (firstKey === null || lastKey === null) return false;
  const isAscending = compareValues(firstKey, lastKey) <= 0;
  const [low, high] = isAscending ? [firstKey, lastKey] : [lastKey, firstKey];
  return compareValues(low, key) <= 0 && compareValues(key, high) <= 0;
}
