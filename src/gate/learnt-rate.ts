/** What a source was found to bear, from the moment it last throttled the fleet. */
export interface LearntRate {
  /** Requests a second that the whole fleet was allowed then. */
  readonly limit: number;
  /** The part of it with which the fleet went on. */
  readonly keptShare: number;
  /** True when little was known of what the source bears: the limit is most likely higher. */
  readonly isGuess: boolean;
  /** When that was, in milliseconds of the caller's clock. */
  readonly learntAt: number;
}

/** What is kept after a throttling that comes alone, as it does now and then near the limit, and amid many. */
const KEPT_SHARE = { alone: 0.97, amidMany: 0.75 } as const;
/** Closer than this to the last one, a throttling is one of many. */
const AMID_MANY_MS = 1_500;
/** After this long the rate is back at the limit; it lingers there, and then probes beyond, faster and faster. */
const RECOVERY_MS = 5_000;
const PROBING = 0.1;
/** A guess is doubled each time this has passed without another throttling. */
const GUESS_DOUBLES_MS = 2_000;
/** Most limits count by the second: what is throttled within one of a slow-down belongs to what was sent before it. */
const HOLD_OFF_MS = 1_000;
/** A limit that was found is believed to have grown this many times at most. */
const FARTHEST = 1.5;
/** What was learnt longer ago says nothing any more; the fleet has probed far beyond it. */
const FORGOTTEN_MS = 60_000;
/** However often a source throttles, it is asked this often a second. */
const LEAST_RATE = 0.1;
/** Requests a second that are tried of a source that has throttled before it answered anything. */
const FIRST_GUESS = 1;

/**
 * Requests a second that the fleet may send: additive increase and multiplicative decrease in the form of CUBIC
 * (RFC 9438), since a saw-tooth that halves would leave a quarter of what the source allows unused. A minute after the
 * last throttling, when probing is far beyond the limit, it is forgotten: Infinity.
 */
export function rateAt({ limit, keptShare, isGuess, learntAt }: LearntRate, now: number): number {
  const sinceMs = Math.max(0, now - learntAt);
  if (sinceMs > FORGOTTEN_MS) return Number.POSITIVE_INFINITY;
  if (isGuess) return limit * 2 ** (sinceMs / GUESS_DOUBLES_MS);
  const time = sinceMs / RECOVERY_MS - 1;
  return limit * (1 + (time < 0 ? 1 - keptShare : PROBING) * time ** 3);
}

export interface Throttling {
  readonly now: number;
  /** When the request that was throttled was sent. */
  readonly sentAt: number;
  /** Requests a second that the whole fleet may send now; Infinity for no limit. */
  readonly allowed: number;
  /** Requests a second that the source has answered of late, as far as is known; the fleet's. */
  readonly answered: number;
}

/** What is learnt from a throttled request. The same as before when it was sent before the last slow-down took effect. */
export function learn(known: LearntRate | null, { now, sentAt, allowed, answered }: Throttling): LearntRate {
  if (known !== null && sentAt < known.learntAt + HOLD_OFF_MS) return known;
  const isAmidMany = known !== null && sentAt < known.learntAt + AMID_MANY_MS;
  const keptShare = isAmidMany ? KEPT_SHARE.amidMany : KEPT_SHARE.alone;
  const hasLimit = known !== null && !known.isGuess && now - known.learntAt < FORGOTTEN_MS;
  // Without a limit that was found of late, what was allowed says nothing if it ran ahead of what was answered.
  if (!hasLimit && allowed > 2 * answered)
    return { limit: Math.max(answered, FIRST_GUESS), keptShare, isGuess: true, learntAt: now };
  const limit = hasLimit ? Math.min(allowed, FARTHEST * known.limit) : allowed;
  return { limit: Math.max(LEAST_RATE, limit), keptShare, isGuess: false, learntAt: now };
}
