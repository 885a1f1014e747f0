import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { launchRun } from '../../src/runtime/harvest.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { describeEngines } from '../support/engines.ts';
import { startFleet } from '../support/fleet.ts';
import { contentOf, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const rows = votes(range(1, 3_000));
/** Two minutes take SHEAF_TEST_OUTAGE_MS=120000: too long for every test run. */
const outageMs = Number(process.env['SHEAF_TEST_OUTAGE_MS'] ?? 8_000);

describeEngines('a source that goes down in mid-run', (redisUrl) => {
  it(
    'is left alone after 20 failed requests of the whole fleet, is probed, and costs no slice an attempt',
    async () => {
      const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }), latencyMs: 20 } });
      const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
      await Promise.all([fleet.startWorker(4), fleet.startWorker(4)]);
      await expect.poll(() => fleet.twin.requests.length).toBeGreaterThan(10);
      fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'status', status: 503 } }] });
      await sleep(outageMs);
      const failed = fleet.twin.requests.filter(({ status }) => status === 503).length;
      fleet.twin.setBehaviour({ faults: [] });
      expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 3_000 });
      expect(failed).toBeLessThanOrEqual(20);
      const { rows: sums } = await fleet.context.database.pool.query(
        'select sum(failures)::int as failures from sheaf.slices',
      );
      expect(sums).toEqual([{ failures: 0 }]);
      expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
    },
    150_000 + outageMs,
  );
});

describe('a source that is down', () => {
  it('in one page only fails that slice, and does not keep the run waiting for ever', async () => {
    const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: rows }) } });
    const where = { entity: 'Afstemning', key: 1_450, pathIncludes: 'id le' };
    fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'status', status: 500 }, where }] });
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [], onFailure: 'partial' }));
    await fleet.startWorker();
    const report = await fleet.ended(run);
    expect(report.state).toBe('partial');
    expect(report.reason).toMatch(/^1 of \d+ slices failed$/);
  }, 90_000);
});
