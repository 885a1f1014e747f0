import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { cancel, launchRun, pause, resumeRun, retryRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { reportRun } from '../../src/runtime/report.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { describeEngines } from '../support/engines.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { contentOf, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const rows = votes(range(1, 6_000));

describeEngines('a run', (redisUrl) => {
  /** A run under way, with some pages staged. */
  const setUp = async (): Promise<{ fleet: Fleet; run: string }> => {
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }), latencyMs: 30 } });
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: ['ndjson'] }));
    await fleet.startWorker(2);
    const pages = async () => (await reportRun(fleet.context.database, run)).pages;
    await expect.poll(pages, { timeout: 10_000 }).toBeGreaterThan(3);
    return { fleet, run };
  };
  const held = async (fleet: Fleet) => {
    const { rows: working } = await fleet.context.database.pool.query(
      `select from sheaf.slices where state = 'working'`,
    );
    return working.length;
  };

  it('that is cancelled stops within a page everywhere, publishes nothing, and leaves nothing behind', async () => {
    const { fleet, run } = await setUp();
    await cancel(fleet.context, await findRun(fleet.context, run));
    await expect.poll(() => held(fleet), { timeout: 2_000 }).toBe(0);
    await sleep(100); // the twin notes a request when it has answered, aborted ones too
    const asked = fleet.twin.requests.length;
    await sleep(200);
    expect(fleet.twin.requests.length).toBe(asked);
    expect(await reportRun(fleet.context.database, run)).toMatchObject({
      state: 'cancelled',
      inserted: 0,
      exports: [],
    });
    expect((await tableContent(fleet.context.database.url, 'oda/Afstemning')).size).toBe(0);
    const { rows: staging } = await fleet.context.database.pool.query(
      `select from pg_class where relname like 'staging\\_%'`,
    );
    expect(staging).toEqual([]);
    await expect(findRun(fleet.context, run).then((found) => cancel(fleet.context, found))).rejects.toThrow(
      /has ended already/,
    );
    await expect(findRun(fleet.context, run).then((found) => resumeRun(fleet.context, found))).rejects.toThrow(
      /was cancelled/,
    );
  });

  it('that is paused stops within a page, uses no attempt, and goes on where it was when it is resumed', async () => {
    const { fleet, run } = await setUp();
    await pause(fleet.context, await findRun(fleet.context, run));
    await expect.poll(() => held(fleet), { timeout: 2_000 }).toBe(0);
    const { pages } = await reportRun(fleet.context.database, run);
    await sleep(300);
    expect(await reportRun(fleet.context.database, run)).toMatchObject({ state: 'paused', pages });
    await resumeRun(fleet.context, await findRun(fleet.context, run));
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 6_000 });
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
    const { rows: failures } = await fleet.context.database.pool.query(
      'select sum(failures)::int as sum from sheaf.slices',
    );
    expect(failures).toEqual([{ sum: 0 }]);
  }, 60_000);

  it('that ended partial is retried: its next generation is complete, in files of their own', async () => {
    const fleet = await startFleet({ redisUrl, twin: { dataset: inlineData({ Afstemning: rows }) } });
    const broken = {
      fault: { kind: 'status', status: 404 },
      where: { entity: 'Afstemning', key: 450, pathIncludes: 'id le' },
    } as const;
    fleet.twin.setBehaviour({ faults: [broken] });
    const partial = await fleet.harvest('oda/Afstemning', { onFailure: 'partial', formats: ['ndjson'] });
    expect(partial.state).toBe('partial');
    fleet.twin.setBehaviour({ faults: [] });
    await retryRun(fleet.context, await findRun(fleet.context, partial.run));
    await fleet.startWorker();
    const repaired = await fleet.ended(partial.run);
    expect(repaired).toMatchObject({ state: 'complete', records: 6_000, unchanged: partial.records });
    expect(repaired.exports[0]?.path).toContain('generation-2');
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
    await expect(findRun(fleet.context, partial.run).then((found) => retryRun(fleet.context, found))).rejects.toThrow(
      /is complete/,
    );
  }, 60_000);
});
