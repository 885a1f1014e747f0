import { expect, it, onTestFinished } from 'vitest';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { openWorkerSession } from '../../src/db/worker-session.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import type { LoggedRequest } from '../../src/twin/request-log.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { startSliceWorker } from '../../src/workers/slice-worker.ts';
import { describeEngines } from '../support/engines.ts';
import { startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

describeEngines('a slice worker', (redisUrl) => {
  it('goes on holding a slice when a second job of the same slice comes and claims nothing', async () => {
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: votes([1, 2, 3]) }) } });
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
    fleet.twin.setBehaviour({ latencyMs: 1_500 });
    const { database, queues, telemetry, reach } = fleet.context;
    const facts = { host: 'here', pid: process.pid, session: 'test', version: '0', concurrency: 2 };
    const workerId = await registerWorker(database, facts);
    const session = await openWorkerSession(database, workerId);
    onTestFinished(() => session.close());
    const work = { database, queues, telemetry, reach, workerId };
    const worker = startSliceWorker(work, 2);
    onTestFinished(() => worker.stop());
    await expect.poll(() => worker.isHeld(run, 1)).toBe(true);
    await queues.add('sheaf-slices', [{ run, slice: 1, attempt: 0, round: 1_763_700_000_000 }]);
    await expect
      .poll(async () => (await queues.counts('sheaf-slices'))['completed'], { timeout: 1_400, interval: 20 })
      .toBe(1);
    expect(worker.isHeld(run, 1)).toBe(true);
  });

  it('has more slices at hand than requests under way, so that one is asked for when another is answered', async () => {
    const dataset = inlineData({ Afstemning: votes(range(1, 4_000)) });
    const fleet = await startFleet({ redisUrl, twin: { dataset, behaviour: { latencyMs: 100 } } });
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
    const planned = fleet.twin.requests.length;
    await fleet.startWorker(4);
    const working = `select count(*)::int as count from sheaf.slices where run_id = $1 and state = 'working'`;
    const { pool } = fleet.context.database;
    await expect.poll(async () => (await pool.query(working, [run])).rows[0].count, { interval: 20 }).toBe(6);
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 4_000 });
    expect(mostUnderWay(fleet.twin.requests.slice(planned))).toBe(4);
  });
});

function mostUnderWay(requests: readonly LoggedRequest[]): number {
  const isAt = (moment: number) => (each: LoggedRequest) =>
    each.startedAt <= moment && moment < each.startedAt + each.durationMs;
  return Math.max(...requests.map(({ startedAt }) => requests.filter(isAt(startedAt)).length));
}
