import { describe, expect, it } from 'vitest';
import { GateClosedError, PermanentError, TransientError } from '../../src/domain/errors.ts';
import { createPaceGate } from '../../src/gate/pace-gate.ts';
import type { HttpClient, HttpResponse } from '../../src/sources/http-client.ts';
import { createSourceFetch, type FetchEvent, systemClock } from '../../src/sources/source-fetch.ts';
import { createTelemetry } from '../../src/telemetry/events.ts';
import { openGate, quickClock, quickPolicy } from './setup.ts';

type Reply =
  | (Partial<Omit<HttpResponse, 'body'>> & { readonly body?: string })
  | Error
  | ((signal?: AbortSignal) => Promise<HttpResponse>);

/** A client that gives these replies in turn, the last one for ever. */
function scripted(...replies: Reply[]): HttpClient & { readonly asked: { path: string; accept: string }[] } {
  const asked: { path: string; accept: string }[] = [];
  return {
    asked,
    urlOf: (path) => `https://api.test/${path}`,
    close: async () => undefined,
    get: async (path, { accept, signal }) => {
      asked.push({ path, accept });
      const reply = replies[Math.min(asked.length, replies.length) - 1] ?? {};
      if (reply instanceof Error) throw reply;
      if (typeof reply === 'function') return reply(signal);
      const body = Buffer.from(reply.body ?? '{"a":1}');
      return { status: 200, headers: { 'content-type': 'application/json' }, bytes: 7, ...reply, body };
    },
  };
}

function setup(...replies: Reply[]) {
  const client = scripted(...replies);
  const gate = openGate();
  const clock = quickClock();
  const events: FetchEvent[] = [];
  const options = { source: 'oda', client, gate, clock, policy: quickPolicy, random: () => 0.5 };
  const fetch = createSourceFetch({ ...options, onEvent: (event) => events.push(event) });
  return { client, gate, clock, events, fetch, options };
}

const parse = (body: Buffer): unknown => JSON.parse(body.toString());
const busy: Reply = { status: 503, body: 'busy' };
const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => error,
  );

describe('a fetch', () => {
  it('gives what was read, with what it took', async () => {
    const { fetch, gate, events } = setup({});
    expect(await fetch('Sag', parse)).toMatchObject({ value: { a: 1 }, requests: 1, bytes: 7 });
    expect(gate.admitted()).toBe(1);
    expect(events).toMatchObject([{ type: 'request-finished', source: 'oda', status: 200, bytes: 7, error: null }]);
  });

  it('asks for JSON unless told otherwise', async () => {
    const { fetch, client } = setup({}, { headers: { 'content-type': 'application/xml' }, body: '<a/>' });
    await fetch('Sag', String);
    await fetch('$metadata', String, { accept: 'application/xml' });
    expect(client.asked.map(({ accept }) => accept)).toEqual(['application/json', 'application/xml']);
  });

  it('tries again what is transient, with growing pauses, and passes the gate each time', async () => {
    const { fetch, gate, clock, events } = setup(busy, reset, {});
    expect(await fetch('Sag', parse)).toMatchObject({ requests: 3 });
    expect(clock.sleeps).toEqual([50, 100]);
    expect(gate.admitted()).toBe(3);
    expect(events.map(({ type }) => type)).toEqual([
      'request-finished',
      'request-retried',
      'request-finished',
      'request-retried',
      'request-finished',
    ]);
    expect(events[1]).toMatchObject({ attempt: 1, delayMs: 50, error: { code: 'http-503' } });
    expect(events[2]).toMatchObject({ status: null, bytes: 0, error: { code: 'connection-lost' } });
  });

  it('tries again when the reader finds the body broken', async () => {
    const { fetch } = setup({ body: '[1' }, { body: '[1]' });
    const read = (body: Buffer): unknown => {
      if (!String(body).endsWith(']')) throw new TransientError('cut short', { code: 'not-json' });
      return parse(body);
    };
    expect(await fetch('Sag', read)).toMatchObject({ value: [1], requests: 2 });
  });

  it('gives up after the last attempt, with the last error and the number of requests', async () => {
    const { fetch, client } = setup(busy);
    const error = await failure(fetch('Sag', parse));
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ code: 'http-503', facts: { status: 503, requests: 3 } });
    expect(client.asked).toHaveLength(3);
  });

  it.each([
    ['a permanent error', { status: 404 }, PermanentError, 'http-404'],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' } }, PermanentError, 'redirect'],
  ])('does not try again after %s', async (_what, reply, type, code) => {
    const { fetch, client } = setup(reply);
    const error = await failure(fetch('Sag', parse));
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ code, facts: { requests: 1 } });
    expect(client.asked).toHaveLength(1);
  });

  it('passes on a bug in the reader as it is', async () => {
    const { fetch, client } = setup({});
    const bug = new TypeError('undefined is not a function');
    const read = () => {
      throw bug;
    };
    expect(await failure(fetch('Sag', read))).toBe(bug);
    expect(client.asked).toHaveLength(1);
  });
});

describe('Retry-After', () => {
  const throttled = (seconds: number): Reply => ({ status: 429, headers: { 'retry-after': String(seconds) } });

  it('closes the gate for all, and is waited out when it is short', async () => {
    const { fetch, gate, clock } = setup(throttled(5), {});
    expect(await fetch('Sag', parse)).toMatchObject({ requests: 2 });
    expect(gate.closings).toEqual([5_000]);
    expect(clock.sleeps).toEqual([5_000]);
  });

  it('postpones the work when it is long, without waiting', async () => {
    const { fetch, gate, clock } = setup(throttled(300));
    const error = await failure(fetch('Sag', parse));
    expect(error).toBeInstanceOf(GateClosedError);
    expect(error).toMatchObject({ waitMs: 300_000, facts: { source: 'oda' } });
    expect(gate.closings).toHaveLength(1);
    expect(clock.sleeps).toEqual([]);
  });

  it('is waited out as long as it is told to', async () => {
    const { options, clock } = setup(throttled(300), {});
    const fetch = createSourceFetch({ ...options, maxWaitMs: 400_000 });
    expect(await fetch('Sag', parse)).toMatchObject({ requests: 2 });
    expect(clock.sleeps).toEqual([300_000]);
  });

  it('closes the gate for the others even when this request gives up', async () => {
    const { fetch, gate } = setup(throttled(1));
    // Throttled again and again: the work is put aside, and has not failed.
    expect(await failure(fetch('Sag', parse))).toBeInstanceOf(GateClosedError);
    expect(gate.closings).toHaveLength(3);
  });
});

describe('the gate', () => {
  it('lets the next request out before an answer is read', async () => {
    const { options, client } = setup({});
    const limits = { requestsPerSecond: null, concurrency: null, connections: 1, share: () => 1 };
    const gate = createPaceGate({ source: 'oda', ...limits, telemetry: createTelemetry() });
    const fetch = createSourceFetch({ ...options, gate });
    const askedBefore: number[] = [];
    const read = () => askedBefore.push(client.asked.length);
    await fetch('Sag', read);
    await Promise.all([fetch('Sag', read), fetch('Sag', read)]);
    expect(askedBefore).toEqual([1, 3, 3]);
  });

  it('hears of a refusal before it lets another request out', async () => {
    const { fetch, gate } = setup(busy, {});
    await fetch('Sag', parse);
    expect([gate.admitted(), gate.answered()]).toEqual([2, 1]);
  });

  it('may refuse: nothing is sent, and nothing counted', async () => {
    const { options, client } = setup({});
    const closed = new GateClosedError('oda', 1_000);
    const events: FetchEvent[] = [];
    const gate = { ...options.gate, admit: () => Promise.reject(closed) };
    const fetch = createSourceFetch({ ...options, gate, onEvent: (event) => events.push(event) });
    expect(await failure(fetch('Sag', parse))).toBe(closed);
    expect(client.asked).toEqual([]);
    expect(events).toEqual([]);
  });
});

describe('an abort', () => {
  const reason = new Error('the worker stops');
  const untilAborted = (signal?: AbortSignal) =>
    new Promise<HttpResponse>((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
    });

  it('ends the wait at the gate, before anything is sent', async () => {
    const { fetch, client } = setup({});
    expect(await failure(fetch('Sag', parse, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(client.asked).toEqual([]);
  });

  it('ends a request, which still counts as finished', async () => {
    const { fetch, events } = setup(untilAborted);
    const controller = new AbortController();
    const fetching = failure(fetch('Sag', parse, { signal: controller.signal }));
    setTimeout(() => controller.abort(reason), 10);
    expect(await fetching).toBe(reason);
    expect(events).toMatchObject([{ type: 'request-finished', status: null, error: reason }]);
  });

  it('ends the pause before another try', async () => {
    const { options } = setup(busy);
    const fetch = createSourceFetch({
      ...options,
      clock: systemClock,
      policy: { ...quickPolicy, baseDelayMs: 60_000, maxDelayMs: 60_000 },
    });
    const controller = new AbortController();
    const fetching = failure(fetch('Sag', parse, { signal: controller.signal }));
    setTimeout(() => controller.abort(reason), 10);
    expect(await fetching).toBe(reason);
  });

  it('is noticed even where the failure came first', async () => {
    const controller = new AbortController();
    const { fetch } = setup(async () => {
      controller.abort(reason);
      throw reset;
    });
    expect(await failure(fetch('Sag', parse, { signal: controller.signal }))).toBe(reason);
  });
});
