import { setImmediate as nextTurn, setTimeout as sleepFor } from 'node:timers/promises';
import { classifyFailure, classifyResponse } from '../domain/classify.ts';
import { GateClosedError, isThrottled, SheafError, TransientError, toStoredError } from '../domain/errors.ts';
import type { Gate, Passage } from '../domain/gate.ts';
import { decideRetry, type RetryPolicy } from '../domain/retry-policy.ts';
import type { HttpClient, HttpResponse } from './http-client.ts';
import type { Fetched, FetchOptions, SourceFetch } from './source.ts';

/** Time as the retry loop needs it; tests pass their own. */
export interface Clock {
  now(): Date;
  /** Rejects with the signal's reason when that is aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: async (delayMs, signal) => {
    try {
      await sleepFor(delayMs, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};

/**
 * What happens while fetching. Every request that passed the gate gives exactly one `request-finished`, however it
 * ended, and every pause before another try one `request-retried`.
 */
export type FetchEvent =
  | {
      readonly type: 'request-finished';
      readonly source: string;
      /** Null when no response came. */
      readonly status: number | null;
      readonly durationMs: number;
      readonly bytes: number;
      /** Why the answer was not taken; null when it was. */
      readonly error: unknown;
    }
  | {
      readonly type: 'request-retried';
      readonly source: string;
      readonly error: TransientError;
      /** How many requests have failed so far. */
      readonly attempt: number;
      readonly delayMs: number;
    };

export interface SourceFetchOptions {
  /** The source's name, for errors and events. */
  readonly source: string;
  readonly client: HttpClient;
  readonly gate: Gate;
  readonly policy: RetryPolicy;
  /** From 0 up to 1. Default `Math.random`. */
  readonly random?: () => number;
  readonly clock?: Clock;
  /** The longest pause before a retry that is waited out here; a longer one postpones the work. Default 60,000. */
  readonly maxWaitMs?: number;
  readonly onEvent?: (event: FetchEvent) => void;
}

const DEFAULT_MAX_WAIT_MS = 60_000;
/** How long work whose requests were throttled again and again is put aside at least. */
const THROTTLED_MS = 2_000;

/**
 * Builds the `SourceFetch` of one source: gate, request, classify, read, and again while trying again can help.
 *
 * Throws the last error with the fact `requests` added when it gives up; a GateClosedError when the source asked to be
 * left alone for longer than `maxWaitMs`; the signal's reason when aborted.
 */
export function createSourceFetch(options: SourceFetchOptions): SourceFetch {
  return async (path, read, fetchOptions = {}) => {
    for (let attempt = 1; ; attempt++) {
      const outcome = await tryOnce(options, { path, read, ...fetchOptions });
      if ('value' in outcome) return { ...outcome, requests: attempt };
      const delayMs = await pauseAfter(options, outcome.error, attempt);
      report(options, { error: outcome.error, attempt, delayMs });
      await (options.clock ?? systemClock).sleep(delayMs, fetchOptions.signal);
    }
  };
}

/** Asks once for something that the source always answers when it is well, past the gate. Null when it did, else the error. */
export async function probeSource(client: HttpClient, path: string): Promise<unknown> {
  try {
    const { status, headers, body } = await client.get(path, { accept: 'application/json' });
    return classifyResponse({ status, headers, body: beginningOf(body), url: client.urlOf(path) }, new Date());
  } catch (error) {
    return classifyFailure(error, client.urlOf(path));
  }
}

interface Ask<T> extends FetchOptions {
  readonly path: string;
  readonly read: (body: Buffer) => T;
}

type Outcome<T> = Omit<Fetched<T>, 'requests'> | { readonly error: unknown };

/** One request. What the source did wrong comes back as a value; an abort, or a closed gate, is thrown. */
async function tryOnce<T>(options: SourceFetchOptions, ask: Ask<T>): Promise<Outcome<T>> {
  const passage = await options.gate.admit({ signal: ask.signal, kind: ask.kind });
  const startedMs = performance.now();
  let response: HttpResponse | undefined;
  let failure: unknown = null;
  try {
    response = await options.client.get(ask.path, { accept: ask.accept ?? 'application/json', signal: ask.signal });
    if (response.status < 300) await makeWay(passage);
    const value = readResponse(options, ask, response);
    return { value, bytes: response.bytes, durationMs: since(startedMs) };
  } catch (error) {
    failure = ask.signal?.aborted ? ask.signal.reason : classifyFailure(error, options.client.urlOf(ask.path));
    ask.signal?.throwIfAborted();
    return { error: failure };
  } finally {
    await passage.settle(failure);
    options.onEvent?.({
      type: 'request-finished',
      source: options.source,
      status: response?.status ?? null,
      durationMs: since(startedMs),
      bytes: response?.bytes ?? 0,
      error: failure,
    });
  }
}

/**
 * The next request goes out before this one's answer takes the processor. A socket is used again after two turns of the
 * event loop: undici looks in between whether it is sound still.
 */
async function makeWay(passage: Passage): Promise<void> {
  passage.answered();
  await nextTurn();
  await nextTurn();
}

function readResponse<T>({ client, clock = systemClock }: SourceFetchOptions, ask: Ask<T>, response: HttpResponse): T {
  const { status, headers, body } = response;
  const facts = {
    status,
    headers,
    body: beginningOf(body),
    ...(ask.accept && { accept: ask.accept }),
    // Only an error shows it, and taking secrets out of it is not for nothing.
    get url() {
      return client.urlOf(ask.path);
    },
  };
  const error = classifyResponse(facts, clock.now());
  if (error !== null) throw error;
  return ask.read(body);
}

/** Enough to tell an error page from data, and to show what came. */
function beginningOf(body: Buffer): string {
  return body.toString('utf8', 0, 4096);
}

/** How long to wait before the next try. Throws the error when there is to be none, or not soon. */
async function pauseAfter(options: SourceFetchOptions, error: unknown, attempt: number): Promise<number> {
  const now = (options.clock ?? systemClock).now();
  // Before anything is decided: everything that shares the gate must hear of it, also when this request gives up.
  const askedMs =
    error instanceof TransientError && error.retryAt !== null ? error.retryAt.getTime() - now.getTime() : 0;
  if (askedMs > 0) await options.gate.closeFor(askedMs);
  const random = (options.random ?? Math.random)();
  const decision = decideRetry(error, options.policy, { attempt, now, random });
  const closedForMs = Math.max(options.gate.closedForMs(), isThrottled(error) ? THROTTLED_MS : 0);
  // A source that is down, throttles, or asked to be left alone, is not this request's failure: it waits, and uses no attempt.
  if (decision.kind === 'give-up' && error instanceof TransientError && closedForMs > 0) {
    const why = askedMs > 0 || isThrottled(error) ? null : toStoredError(error);
    throw new GateClosedError(options.source, closedForMs * (1 + random), why);
  }
  if (decision.kind === 'give-up') throw withRequests(error, attempt);
  if (decision.delayMs > (options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS)) {
    throw new GateClosedError(options.source, decision.delayMs);
  }
  return decision.delayMs;
}

/** The same error, told how many requests it took. Changed in place, so that its class, stack and cause stay. */
function withRequests(error: unknown, requests: number): unknown {
  if (!(error instanceof SheafError)) return error;
  return Object.assign(error, { facts: { ...error.facts, requests } });
}

interface Retry {
  readonly error: unknown;
  readonly attempt: number;
  readonly delayMs: number;
}

function report({ onEvent, source }: SourceFetchOptions, { error, ...rest }: Retry): void {
  if (!(error instanceof TransientError)) return;
  onEvent?.({ type: 'request-retried', source, error, ...rest });
}

function since(startedMs: number): number {
  return Math.round(performance.now() - startedMs);
}
