/** How many requests may be under way, and the queue of those that wait. */
export interface RequestWindow {
  /** Resolves when a request may be sent, in the order of asking. Rejects with the signal's reason. */
  enter(signal?: AbortSignal): Promise<void>;
  /** A request is not under way any more: another may be. */
  leave(): void;
  /** What became of a request that was let in; to be told once, before or after it has left. */
  heed(request: RequestEnd): void;
  /** Requests that may be under way now. */
  width(): number;
}

export interface RequestEnd {
  /** Well, in trouble on the source's side, or in a way that says nothing. */
  readonly end: 'well' | 'trouble' | 'void';
  /** What its time may be held against; a request without a kind tells nothing by it. */
  readonly kind?: string | undefined;
  readonly sentAt: number;
  readonly now: number;
}

/** Slower than this times the best latency, and by this many milliseconds, is a sign of a source under strain. */
const STRAINED = { times: 2, byMs: 250 } as const;
/** The best latency of a kind is forgotten after one to two of these. */
const BASELINE_MS = 30_000;
/** What is left of the window when the source is strained, and when most requests fail. */
const KEPT_SHARE = { strained: 0.8, failing: 0.5 } as const;
/** Weight of the newest request in the running averages. */
const NEWEST = 0.1;
/** Of late, this share of requests has failed: more than chance. */
const FAILING_SHARE = 0.5;
const FIRST_WIDTH = 2;

/**
 * A window on a source that adapts by additive increase and multiplicative decrease (AIMD, Chiu and Jain 1989), with a
 * slow start, as TCP Vegas (1994) does it: growing latency tells of queues at the source before it fails. `ceiling` is
 * how many requests this process may have under way at most; it may change.
 */
export function createRequestWindow(ceiling: () => number): RequestWindow {
  const waiting: (() => void)[] = [];
  const latencies = new Map<string, ReturnType<typeof createLatency>>(); // as many as a source has entities
  let width = FIRST_WIDTH;
  let underWay = 0;
  let failingShare = 0;
  let hasNarrowed = false; // the slow start ends with the first sign of strain
  let narrowedAt = Number.NEGATIVE_INFINITY;

  const limit = () => Math.max(1, Math.floor(Math.min(width, ceiling())));

  const narrow = (share: number, now: number) => {
    width = Math.max(1, Math.min(width, ceiling()) * share);
    hasNarrowed = true;
    narrowedAt = now;
    failingShare = 0;
  };

  const isSlow = ({ end, kind, sentAt, now }: RequestEnd): boolean => {
    if (end !== 'well' || kind === undefined) return false;
    const latency = latencies.get(kind) ?? createLatency();
    latencies.set(kind, latency);
    return latency.add(now - sentAt, now);
  };

  const adapt = (request: RequestEnd) => {
    failingShare += NEWEST * ((request.end === 'trouble' ? 1 : 0) - failingShare);
    const isStrained = isSlow(request);
    if (request.sentAt < narrowedAt) return; // it was sent into the wider window, and says nothing about this one
    if (failingShare > FAILING_SHARE) narrow(KEPT_SHARE.failing, request.now);
    else if (isStrained) narrow(KEPT_SHARE.strained, request.now);
    else if (request.end === 'well') width = Math.min(Math.max(ceiling(), 1), width + (hasNarrowed ? 1 / width : 1));
  };

  const letIn = () => {
    for (; underWay < limit() && waiting.length > 0; underWay++) waiting.shift()?.();
  };

  return {
    width: limit,
    enter: async (signal) => {
      signal?.throwIfAborted();
      if (underWay >= limit() || waiting.length > 0) return turn(waiting, signal); // whoever leaves lets it in
      underWay += 1;
    },
    leave: () => {
      underWay -= 1;
      letIn();
    },
    heed: (request) => {
      if (request.end !== 'void') adapt(request);
      letIn();
    },
  };
}

/** Waits for its turn in the queue, and leaves the queue when the signal is aborted. */
function turn(waiting: (() => void)[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leaveQueue = () => {
      waiting.splice(waiting.indexOf(proceed), 1);
      reject(signal?.reason);
    };
    const proceed = () => {
      signal?.removeEventListener('abort', leaveQueue);
      resolve();
    };
    signal?.addEventListener('abort', leaveQueue, { once: true });
    waiting.push(proceed);
  });
}

/** The running average of latencies, held against the best of the last while. */
function createLatency(): { add(ms: number, now: number): boolean } {
  let average: number | undefined;
  let best = Number.POSITIVE_INFINITY;
  let bestBefore = Number.POSITIVE_INFINITY;
  let since = Number.NEGATIVE_INFINITY;
  return {
    /** True when answers have become much slower than they can be. */
    add: (ms, now) => {
      if (now - since > BASELINE_MS) {
        [bestBefore, best, since] = [best, Number.POSITIVE_INFINITY, now];
      }
      best = Math.min(best, ms);
      average = average === undefined ? ms : average + NEWEST * (ms - average);
      return average > STRAINED.times * Math.min(best, bestBefore) + STRAINED.byMs;
    },
  };
}
