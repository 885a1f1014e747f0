import { describe, expect, it } from 'vitest';
import { getRun } from '../../src/db/queries/runs.ts';
import { launchRun, retryRun } from '../../src/runtime/harvest.ts';
import { inspectRun } from '../../src/runtime/inspect.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { start } from '../support/command.ts';
import { startFleet } from '../support/fleet.ts';
import { contentOf, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const rows = votes(range(1, 2_000));
/** JSON that takes more memory to read than a worker has: it dies of it, as of a page that has grown beyond measure. */
const deadly = `[${'[],'.repeat(12_000_000)}[]]`;

describe('a slice that kills whoever works it', () => {
  it('is set aside with what is known of it, alone, and the run ends by its policy', async () => {
    const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: rows }), latencyMs: 10 } });
    const { context, twin } = fleet;
    const where = { entity: 'Afstemning', key: 1_450, pathIncludes: 'id le' };
    twin.setBehaviour({ faults: [{ fault: { kind: 'other-shape', body: deadly }, where }] });
    const run = await launchRun(context, fleet.request('oda/Afstemning', { onFailure: 'partial' }));
    const environment = {
      DATABASE_URL: context.settings.DATABASE_URL ?? '',
      SHEAF_ODA_URL: twin.url,
      SHEAF_HEAP_MB: '128',
    };
    const state = async () => (await getRun(context.database, run)).state;
    let deaths = 0;
    // A supervisor that starts the worker anew each time it dies.
    while ((await state()) === 'fetching' && deaths < 10) {
      const worker = start(['worker', '--concurrency', '4'], environment);
      let hasEnded = false;
      void worker.finished.then(() => {
        hasEnded = true;
      });
      await expect.poll(async () => hasEnded || (await state()) !== 'fetching', { timeout: 60_000 }).toBe(true);
      if (hasEnded) deaths += 1;
      else await expect.poll(state, { timeout: 20_000 }).toBe('partial');
      worker.process.kill('SIGTERM');
      await worker.finished;
    }
    expect(deaths).toBe(3);

    const { slices, report } = await inspectRun(context, await getRun(context.database, run));
    expect(slices).toMatchObject({ failed: 1, pending: 0, working: 0 });
    const { rows: failed } = await context.database.pool.query(
      `select error, failures from sheaf.slices where state = 'failed'`,
    );
    expect(failed).toMatchObject([
      { failures: 0, error: { code: 'poison-slice', facts: { deaths: 3, pid: expect.any(Number) } } },
    ]);
    expect(report).toMatchObject({ state: 'partial', reason: expect.stringMatching(/^1 of \d+ slices failed$/) });

    twin.setBehaviour({ faults: [] });

    await retryRun(context, await getRun(context.database, run));
    await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 2_000 });
    expect(await tableContent(context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
  }, 180_000);
});
