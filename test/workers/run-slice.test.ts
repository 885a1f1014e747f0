import { expect, it } from 'vitest';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { runSlice } from '../../src/workers/run-slice.ts';
import { startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

it('shares the last slice with slots that stand idle, where the source is what takes the time', async () => {
  // Sixteen slices of five pages, which is less than a slice may have.
  const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: votes(range(1, 8_000)) }) } });
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
  fleet.twin.setBehaviour({ latencyMs: 300 });
  const { database } = fleet.context;
  const facts = { host: 'here', pid: process.pid, session: 'test', version: '0', concurrency: 4 };
  const work = { ...fleet.context, workerId: await registerWorker(database, facts) };
  const idle = { count: () => 3, given: () => undefined };
  const options = { stop: new AbortController().signal, beAlone: async () => undefined, idle };
  const spans = async () => {
    const order = `select span->>'upto' as upto, pages from sheaf.slices where run_id = $1 order by number`;
    return (await database.pool.query<{ upto: string; pages: number }>(order, [run])).rows;
  };

  await runSlice(work, { run, slice: 1, attempt: 0 }, options);
  expect(await spans()).toHaveLength(16); // others wait, which the idle may take
  await database.pool.query(`update sheaf.slices set state = 'done' where run_id = $1 and number > 2`, [run]);
  await runSlice(work, { run, slice: 2, attempt: 0 }, options);
  const after = await spans();
  expect(after[1]).toEqual({ upto: '800', pages: 3 }); // it has kept the first part, and gone on with it
  expect(after.slice(16)).toEqual([{ upto: '1000', pages: 0 }]);
});
