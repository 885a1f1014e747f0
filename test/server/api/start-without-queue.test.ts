import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { type StoreProxy, startStoreProxy } from '../../faults/store-proxy.ts';
import { type ServedFleet, startServedFleet } from '../setup.ts';

const redisUrl = inject('redisUrl');

async function startBehindProxy(): Promise<{ fleet: ServedFleet; proxy: StoreProxy }> {
  const proxy = await startStoreProxy({ kind: 'redis', url: redisUrl ?? '' });
  onTestFinished(() => proxy.stop());
  return { fleet: await startServedFleet({ redisUrl: proxy.url }), proxy };
}

describe.runIf(redisUrl !== null)('starting a run while Redis is away', () => {
  it('succeeds at once, says so in the audit log, and the run is carried out when Redis is back', async () => {
    const { fleet, proxy } = await startBehindProxy();
    const { pool } = fleet.context.database;
    const troubles: string[] = [];
    fleet.context.telemetry.on('connection.trouble', ({ error }) => troubles.push(error.message));
    proxy.cut(600_000);
    const askedAt = performance.now();
    const answer = await fetch(`${fleet.url}/api/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ dataset: 'oda/Afstemning', formats: ['csv'] }),
    });
    expect(performance.now() - askedAt).toBeLessThan(20_000); // BullMQ gives up after about 40
    expect(answer.status).toBe(201);
    const { run } = (await answer.json()) as { run: string };
    expect(troubles).toContainEqual(expect.stringContaining('has not taken the jobs of a new run'));
    const { rows } = await pool.query(`select target_id as run, outcome from sheaf.audit where action = 'start'`);
    expect(rows).toEqual([{ run, outcome: 'done' }]);
    proxy.cut(0);
    await pool.query(`update sheaf.slices set updated_at = now() - interval '1 minute'`); // for the reconciler not to wait
    await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete' });
  }, 60_000);
});
