import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { GateClosedError, TransientError } from '../../src/domain/errors.ts';
import { createPaceGate } from '../../src/gate/pace-gate.ts';
import { createTelemetry } from '../../src/telemetry/events.ts';

const throttled = new TransientError('answered 429', { code: 'http-429' });

const gateOf = (requestsPerSecond: number | null, share = 1, maxWaitMs = 60_000) =>
  createPaceGate({
    source: 'oda',
    requestsPerSecond,
    concurrency: null,
    connections: 10_000,
    share: () => share,
    telemetry: createTelemetry(),
    maxWaitMs,
  });

/** A request that passes the gate, and is answered at once. */
const pass = async (gate: ReturnType<typeof gateOf>, error: unknown = null) => {
  const passage = await gate.admit();
  await passage.settle(error);
};

/** When each of `count` requests that are all asked for at once is let through, in ms. */
const admissions = async (gate: ReturnType<typeof gateOf>, count: number): Promise<number[]> => {
  const startedAt = performance.now();
  return Promise.all(Array.from({ length: count }, () => pass(gate).then(() => performance.now() - startedAt)));
};

describe('a pace gate', () => {
  it('lets requests through evenly, without a burst', async () => {
    const times = await admissions(gateOf(50), 11);
    for (const [position, time] of times.entries()) expect(time).toBeGreaterThanOrEqual(position * 20 - 2);
    expect(times.at(-1)).toBeLessThan(400);
  });

  it('gives each worker of a fleet its share', async () => {
    const times = await admissions(gateOf(50, 0.5), 6);
    expect(times.at(-1)).toBeGreaterThanOrEqual(198);
  });

  it('holds nothing back without a rate', async () => {
    const times = await admissions(gateOf(null), 1_000);
    expect(times.at(-1)).toBeLessThan(500);
  });

  it('lets nothing through while the source has asked to be left alone, not even what waits already', async () => {
    const gate = gateOf(10);
    const startedAt = performance.now();
    await pass(gate);
    const waiting = gate.admit();
    await gate.closeFor(400);
    await waiting;
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(390);
  });

  it('postpones instead of waiting when it stays closed for long', async () => {
    const gate = gateOf(null, 1, 1_000);
    await gate.closeFor(30_000);
    const error = await gate.admit().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GateClosedError);
    expect((error as GateClosedError).waitMs).toBeGreaterThan(29_000);
  });

  it('opens again evenly, and not with a burst of all that waited', async () => {
    const gate = gateOf(20);
    await pass(gate);
    const waiting = admissions(gate, 6);
    await gate.closeFor(300);
    const times = (await waiting).toSorted((one, other) => one - other);
    for (const [position, time] of times.entries()) expect(time).toBeGreaterThanOrEqual(290 + 50 * (position - 1));
  });

  it('postpones what waits already, too, when it closes for long', async () => {
    const gate = gateOf(1, 1, 1_000);
    await pass(gate);
    const waiting = gate.admit();
    await gate.closeFor(30_000);
    await expect(waiting).rejects.toBeInstanceOf(GateClosedError);
  });

  it('stops waiting when it is told to', async () => {
    const gate = gateOf(1);
    await pass(gate);
    const stop = new AbortController();
    const waiting = gate.admit({ signal: stop.signal });
    stop.abort(new Error('stopping'));
    await expect(waiting).rejects.toThrow();
  });

  it('has no more requests under way than its share, and lets the next in when one has ended', async () => {
    const gate = createPaceGate({
      source: 'oda',
      requestsPerSecond: null,
      concurrency: 4,
      connections: 100,
      share: () => 0.5,
      telemetry: createTelemetry(),
    });
    const first = [await gate.admit(), await gate.admit()];
    let isIn = false;
    const third = gate.admit().then((passage) => {
      isIn = true;
      return passage;
    });
    await sleep(20);
    expect(isIn).toBe(false);
    await first[0]?.settle(null);
    await (await third).settle(null);
    await first[1]?.settle(null);
    expect(isIn).toBe(true);
  });

  it('lets one in for an answer that is here, before it is known what it is worth, and none more for that', async () => {
    const telemetry = createTelemetry();
    const limits = { requestsPerSecond: null, concurrency: null, connections: 1, share: () => 1 };
    const gate = createPaceGate({ source: 'oda', ...limits, telemetry });
    const first = await gate.admit();
    const order: string[] = [];
    const admit = (name: string) => gate.admit().then((passage) => [order.push(name), passage] as const);
    const [second, third] = [admit('second'), admit('third')];
    first.answered();
    await second;
    first.answered();
    await first.settle(null);
    await sleep(20);
    expect(order).toEqual(['second']);
    await (await second)[1].settle(null);
    await third;
  });

  it('gives the place of a request back that was told to stop while it waited', async () => {
    const gate = gateOf(1);
    await pass(gate);
    for (let time = 0; time < 5; time++) {
      await gate.admit({ signal: AbortSignal.timeout(1) }).catch(() => undefined);
    }
    await expect(
      Promise.race([gate.admit({ signal: AbortSignal.timeout(10_000) }), sleep(8_000, 'stuck')]),
    ).resolves.toHaveProperty('settle');
  }, 15_000);

  it('slows down to what the source answers when it throttles, and tells so', async () => {
    const telemetry = createTelemetry();
    const slowed: number[] = [];
    telemetry.on('gate.slowed', ({ requestsPerSecond }) => slowed.push(requestsPerSecond));
    const options = { source: 'oda', requestsPerSecond: null, concurrency: null, connections: 100, share: () => 1 };
    const gate = createPaceGate({ ...options, telemetry });
    for (let time = 0; time < 20; time++) await pass(gate);
    await pass(gate, throttled);
    expect(slowed).toEqual([20]);
    expect(gate.learnt()).toMatchObject({ limit: 20 });
    const times = await admissions(gate, 5);
    expect(times.at(-1)).toBeGreaterThan(190);
  });

  it('takes over what others have learnt since', async () => {
    const gate = gateOf(null);
    const now = performance.now();
    gate.adopt({ limit: 10, keptShare: 0.8, isGuess: false, learntAt: now });
    gate.adopt({ limit: 1_000, keptShare: 0.8, isGuess: false, learntAt: now - 1_000 });
    expect(gate.learnt()).toMatchObject({ limit: 10 });
    expect((await admissions(gate, 4)).at(-1)).toBeGreaterThan(300);
    gate.adopt({ limit: 1_000, keptShare: 0.8, isGuess: false, learntAt: now + 1_000 });
    expect((await admissions(gate, 4)).at(-1)).toBeLessThan(200);
  });
});
