import { describe, expect, it } from 'vitest';
import { launchRun } from '../../src/runtime/harvest.ts';
import type { LoggedRequest } from '../../src/twin/request-log.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { start } from '../support/command.ts';
import { startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

const ALLOWED_PER_SECOND = 10;
/** What the fleet may take to find out what the source allows. */
const SETTLING_MS = 12_000;
const OBSERVED_MS = 20_000;

describe('a source that allows so many requests a second', () => {
  it('is asked that often by two workers together, within a tenth, and refuses hardly any after the first seconds', async () => {
    const rows = votes(range(1, 60_000));
    const fleet = await startFleet({
      twin: {
        dataset: inlineData({ Afstemning: rows }),
        behaviour: { rateLimit: { requests: ALLOWED_PER_SECOND, perMs: 1_000 } },
        latencyMs: 40,
      },
    });
    const { context, twin } = fleet;
    const run = await launchRun(context, fleet.request('oda/Afstemning', { formats: [] }));
    const environment = {
      DATABASE_URL: context.settings.DATABASE_URL ?? '',
      SHEAF_ODA_URL: twin.url,
    };
    const workers = [start(['worker'], environment), start(['worker'], environment)];
    await Promise.all(workers.map((worker) => worker.says(/asks for 8 pages/)));
    const from = Date.now() + SETTLING_MS;
    const to = from + OBSERVED_MS;
    await expect.poll(() => Date.now() > to, { timeout: SETTLING_MS + OBSERVED_MS + 5_000, interval: 500 }).toBe(true);
    for (const worker of workers) worker.process.kill('SIGTERM');
    await Promise.all(workers.map((worker) => worker.finished));

    const seen = twin.requests.filter(({ startedAt }) => startedAt >= from && startedAt < to);
    const refused = seen.filter(({ status }) => status === 429);
    const sent = seen.length / (OBSERVED_MS / 1_000);
    expect(sent).toBeGreaterThanOrEqual(0.9 * ALLOWED_PER_SECOND);
    expect(sent).toBeLessThanOrEqual(1.1 * ALLOWED_PER_SECOND);
    expect(refused.length).toBeLessThan(0.06 * seen.length);
    expect(mostInASecond(refused)).toBeLessThanOrEqual(3);
    // Being throttled is no failure: no slice has used an attempt.
    const { rows: slices } = await context.database.pool.query(
      'select sum(failures)::int as failures from sheaf.slices where run_id = $1',
      [run],
    );
    expect(slices).toEqual([{ failures: 0 }]);
  }, 120_000);
});

function mostInASecond(requests: readonly LoggedRequest[]): number {
  const times = requests.map(({ startedAt }) => startedAt);
  return Math.max(0, ...times.map((time) => times.filter((other) => other >= time && other < time + 1_000).length));
}
