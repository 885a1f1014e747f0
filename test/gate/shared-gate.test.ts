import { describe, expect, it } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { FAILURES_TO_OPEN, readGate } from '../../src/db/queries/gates.ts';
import { PermanentError, TransientError } from '../../src/domain/errors.ts';
import { createPaceGate } from '../../src/gate/pace-gate.ts';
import { createSharedGate, type SharedGate } from '../../src/gate/shared-gate.ts';
import { createTelemetry } from '../../src/telemetry/events.ts';
import { freshDatabase } from '../support/database.ts';

const down = new TransientError('nothing listens there', { code: 'connection-refused' });
const throttled = new TransientError('answered 429', { code: 'http-429' });
const missing = new PermanentError('answered 404', { code: 'http-404' });

interface Upstream {
  isWell: boolean;
  probes: number;
}

/** Gates of several workers of one fleet, in front of an upstream that can be down. */
async function setUp({
  workers = 1,
  maxWaitMs = 60_000,
} = {}): Promise<{ database: Database; gates: SharedGate[]; upstream: Upstream }> {
  const database = await freshDatabase();
  const upstream = { isWell: true, probes: 0 };
  const telemetry = createTelemetry();
  const gates = Array.from({ length: workers }, () => {
    const pace = createPaceGate({
      source: 'oda',
      requestsPerSecond: null,
      concurrency: null,
      connections: 100,
      share: () => 1,
      telemetry,
    });
    const probe = async () => {
      upstream.probes += 1;
      return upstream.isWell ? null : down;
    };
    return createSharedGate({ source: 'oda', database, pace, telemetry, probe, maxWaitMs });
  });
  return { database, gates, upstream };
}

const only = (gates: SharedGate[]): SharedGate => {
  if (gates[0] === undefined) throw new Error('no gate');
  return gates[0];
};
/** A request that passes the gate, and what becomes of it. */
const ask = async (gate: SharedGate, error: unknown = null) => {
  const passage = await gate.admit();
  await passage.settle(error);
};
const failures = async (gate: SharedGate, count: number, error: unknown = down) => {
  const passages = [];
  for (let time = 0; time < count; time++) passages.push(gate.admit());
  for (const passage of passages) await (await passage).settle(error);
};
const rowCount = async (database: Database) => (await database.pool.query('select from sheaf.gates')).rowCount;
const endPause = (database: Database) =>
  database.pool.query(`update sheaf.gates set closed_until = now() where source = 'oda'`);

describe('a shared gate', () => {
  it('writes nothing while requests succeed', async () => {
    const { database, gates } = await setUp();
    for (let time = 0; time < 5; time++) await ask(only(gates));
    expect(await rowCount(database)).toBe(0);
  });

  it('opens its breaker after failures in a row of all workers together, and no success between them', async () => {
    const { database, gates } = await setUp({ workers: 2 });
    const [one, other] = [gates[0] as SharedGate, gates[1] as SharedGate];
    await failures(one, FAILURES_TO_OPEN - 1);
    await ask(one);
    expect(await readGate(database, 'oda')).toMatchObject({ breaker: 'closed', failures: 0 });
    await failures(one, FAILURES_TO_OPEN / 2);
    await failures(other, FAILURES_TO_OPEN / 2);
    expect(await readGate(database, 'oda')).toMatchObject({ breaker: 'open', failures: FAILURES_TO_OPEN });
    await one.refresh();
    expect(one.closedForMs()).toBeGreaterThan(3_000);
  });

  it('takes neither throttling nor a missing page for a source that is down', async () => {
    const { database, gates } = await setUp();
    await failures(only(gates), 30, missing);
    await failures(only(gates), 30, new Error('aborted by us'));
    expect(await rowCount(database)).toBe(0);
    for (let time = 0; time < 50; time++) await ask(only(gates));
    for (let time = 0; time < FAILURES_TO_OPEN + 1; time++) await ask(only(gates), throttled);
    expect(await readGate(database, 'oda')).toMatchObject({ breaker: 'closed', failures: 0 });
  });

  it('lets one worker probe when the pause is over, and everybody through when the source is back', async () => {
    const { database, gates, upstream } = await setUp({ workers: 4 });
    await failures(only(gates), FAILURES_TO_OPEN);
    await Promise.all(gates.map((gate) => gate.refresh()));
    await endPause(database);
    await Promise.all(gates.map((gate) => gate.refresh()));
    await Promise.all(gates.map((gate) => gate.admit()));
    expect(upstream.probes).toBe(1);
    expect(await readGate(database, 'oda')).toMatchObject({
      breaker: 'closed',
      failures: 0,
      closedForMs: 0,
    });
  });

  it('opens again, for twice as long, when the probe fails', async () => {
    const { database, gates, upstream } = await setUp({ maxWaitMs: 1_000 });
    upstream.isWell = false;
    await failures(only(gates), FAILURES_TO_OPEN);
    await endPause(database);
    await only(gates).refresh();
    await expect(only(gates).admit()).rejects.toThrow(
      /is left alone for another \d+ seconds, because it does not answer: ./,
    );
    const state = await readGate(database, 'oda');
    expect(state).toMatchObject({ breaker: 'open' });
    expect(state.closedForMs).toBeGreaterThan(8_000);
    expect(state.closedForMs).toBeLessThan(10_500);
  });

  it('does not wait for ever for a probe whose process died', async () => {
    const { database, gates, upstream } = await setUp();
    await failures(only(gates), FAILURES_TO_OPEN);
    await database.pool.query(`update sheaf.gates set breaker = 'half-open', probe_until = now()`);
    await only(gates).refresh();
    await only(gates).admit();
    expect(upstream.probes).toBe(1);
  });

  it('shares a Retry-After with the whole fleet', async () => {
    const { gates } = await setUp({ workers: 2 });
    const [one, other] = [gates[0] as SharedGate, gates[1] as SharedGate];
    const closedAt = performance.now();
    await one.closeFor(700);
    await other.refresh();
    await other.admit();
    expect(performance.now() - closedAt).toBeGreaterThanOrEqual(690);
  });

  it('tells the fleet what the source was found to bear', async () => {
    const { database, gates } = await setUp({ workers: 2 });
    const [one, other] = [gates[0] as SharedGate, gates[1] as SharedGate];
    for (let time = 0; time < 20; time++) await ask(one);
    await ask(one, throttled);
    expect((await readGate(database, 'oda')).learnt).toMatchObject({ limit: 20, keptShare: expect.closeTo(0.97) });
    await other.refresh();
    const startedAt = performance.now();
    for (let time = 0; time < 5; time++) await ask(other);
    expect(performance.now() - startedAt).toBeGreaterThan(190);
  });

  it('stops waiting when it is told to', async () => {
    const { gates } = await setUp();
    await failures(only(gates), FAILURES_TO_OPEN);
    const stop = new AbortController();
    const waiting = only(gates).admit({ signal: stop.signal });
    stop.abort(new Error('stopping'));
    await expect(waiting).rejects.toThrow();
  });
});
