import { expect, it, onTestFinished } from 'vitest';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { openWorkerSession } from '../../src/db/worker-session.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { startSliceWorker } from '../../src/workers/slice-worker.ts';
import { describeEngines } from '../support/engines.ts';
import { startFleet } from '../support/fleet.ts';
import { votes } from '../support/rows.ts';

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
});
