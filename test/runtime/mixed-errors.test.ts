import { expect, it } from 'vitest';
import type { Fault, FaultRule } from '../../src/twin/faults.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { describeEngines } from '../support/engines.ts';
import { startFleet } from '../support/fleet.ts';
import { contentOf, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const kinds: readonly Fault[] = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 503 },
  { kind: 'status', status: 429, retryAfter: { inSeconds: 0 } },
  { kind: 'reset' },
  { kind: 'reset', afterBytes: 200 },
  { kind: 'truncated-body' },
  { kind: 'html-body' },
  { kind: 'other-shape' },
];
/** Rules are asked in turn, so that each has to strike a little more often than an eighth of a fifth. */
const faults: FaultRule[] = kinds.map((fault) => ({ fault, rate: 0.0275 }));

describeEngines('a source that answers one request in five with an error', (redisUrl) => {
  it('is copied exactly, without an attempt storm', async () => {
    const rows = votes(range(1, 12_000));
    const fleet = await startFleet({
      redisUrl,
      twin: { dataset: inlineData({ Afstemning: rows }), latencyMs: 5, behaviour: { faults } },
    });
    const report = await fleet.harvest('oda/Afstemning', { formats: [] });
    expect(report).toMatchObject({ state: 'complete', records: 12_000 });
    const failed = fleet.twin.requests.filter(({ fault }) => fault !== null).length;
    expect(failed / fleet.twin.requests.length).toBeGreaterThan(0.15);
    expect(fleet.twin.requests.length).toBeLessThanOrEqual(1.5 * report.pages);
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
  }, 120_000);
});
