import { describe, expect, it } from 'vitest';
import { GateClosedError } from '../../src/domain/errors.ts';
import { createRateGate } from '../../src/gate/rate-gate.ts';
import { createTelemetry } from '../../src/telemetry/events.ts';

const gateOf = (requestsPerSecond: number | null, share = 1, maxWaitMs = 60_000) =>
  createRateGate({ source: 'oda', requestsPerSecond, share: () => share, telemetry: createTelemetry(), maxWaitMs });

/** When each of `count` requests that are all asked for at once is let through, in ms. */
const admissions = async (gate: ReturnType<typeof gateOf>, count: number): Promise<number[]> => {
  const startedAt = performance.now();
  return Promise.all(Array.from({ length: count }, () => gate.admit().then(() => performance.now() - startedAt)));
};

describe('a rate gate', () => {
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
    await gate.admit();
    const waiting = gate.admit();
    await gate.closeUntil(new Date(Date.now() + 400));
    await waiting;
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(390);
  });

  it('postpones instead of waiting when it stays closed for long', async () => {
    const gate = gateOf(null, 1, 1_000);
    const until = new Date(Date.now() + 30_000);
    await gate.closeUntil(until);
    const error = await gate.admit().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GateClosedError);
    expect((error as GateClosedError).until).toEqual(until);
  });

  it('stops waiting when it is told to', async () => {
    const gate = gateOf(1);
    await gate.admit();
    const stop = new AbortController();
    const waiting = gate.admit(stop.signal);
    stop.abort(new Error('stopping'));
    await expect(waiting).rejects.toThrow();
  });
});
