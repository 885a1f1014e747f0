import { expect, it, onTestFinished } from 'vitest';
import { nextFiring } from '../../src/db/queries/schedule-firings.ts';
import { decideStart } from '../../src/domain/schedule.ts';
import { takeDueTimes } from '../../src/producer/schedule-runs.ts';
import { startScheduleWorker } from '../../src/producer/schedule-worker.ts';
import { describeSchedules, scheduleWork } from '../../src/runtime/schedules.ts';
import { type Scheduled, startScheduled } from '../support/scheduled.ts';

const execute = ({ fleet }: Scheduled, statement: string) => fleet.context.database.pool.query(statement);

/** Has PostgreSQL refuse a change of firings. */
const refuse = async (scheduled: Scheduled, { change, code }: { change: string; code: string }) => {
  await execute(
    scheduled,
    `create function refuse() returns trigger language plpgsql as
     $$ begin raise exception 'refused by the test' using errcode = '${code}'; end $$`,
  );
  await execute(scheduled, `create trigger refused before ${change} execute function refuse()`);
};

it.each([
  ['a time zone that is not known here', `time_zone = 'Mars/Phobos'`, /Mars\/Phobos/],
  ['no time zone', `time_zone = ''`, /time zone/],
  ['an expression that cannot be read', `cron = 'often'`, /often/],
])('fires all others when one schedule has %s, and tells that once', async (_what, change, reason) => {
  const scheduled = await startScheduled();
  await scheduled.add({ name: 'a-broken' });
  await scheduled.add();
  const { cron, timeZone } = await scheduled.find();
  await execute(scheduled, `update sheaf.schedules set ${change} where name = 'a-broken'`);
  const told: string[] = [];
  scheduled.fleet.context.telemetry.on('schedule.failed', ({ schedule, error }) =>
    told.push(`${schedule}: ${error.code}`),
  );
  const carrier = await scheduled.carrier();
  for (let round = 1; round <= 2; round++) {
    await scheduled.due();
    await takeDueTimes(carrier);
    expect(await scheduled.firings()).toHaveLength(round);
  }
  expect(told).toEqual(['a-broken: unreadable-timetable']);
  const [broken, whole] = await describeSchedules(scheduled.fleet.context);
  expect(broken).toMatchObject({ name: 'a-broken', error: expect.stringMatching(reason), nextTimes: [], firings: [] });
  expect(whole).toMatchObject({ name: 'nightly', error: null, nextTimes: { length: 3 } });

  await execute(scheduled, `update sheaf.schedules set cron = '${cron}', time_zone = '${timeZone}'`);
  await takeDueTimes(carrier);
  expect((await describeSchedules(scheduled.fleet.context))[0]).toMatchObject({ error: null, firings: { length: 1 } });
});

it('does not blame a schedule for a store that is in trouble', async () => {
  const scheduled = await startScheduled();
  await scheduled.add();
  await scheduled.due();
  await refuse(scheduled, { change: 'insert on sheaf.schedule_firings', code: '57P01' });
  const carrier = await scheduled.carrier();
  await expect(takeDueTimes(carrier)).rejects.toThrow('refused by the test');
  expect(carrier.failing.size).toBe(0);
});

it('takes every step of its duty, also when the first cannot be taken, and tells what went wrong', async () => {
  const scheduled = await startScheduled();
  await scheduled.add();
  const { workerId } = await scheduled.carrier();
  const { context } = scheduled.fleet;
  // A firing that the worker is noted for and is not at: the first step puts it back.
  await scheduled.due();
  await takeDueTimes(await scheduled.carrier());
  await nextFiring(context.database, { schedule: (await scheduled.find()).id, workerId }, decideStart);
  await refuse(scheduled, {
    change: `update on sheaf.schedule_firings for each row when (old.state = 'starting' and new.state = 'waiting')`,
    code: 'P0001',
  });
  const told: unknown[] = [];
  const work = { ...scheduleWork(context), workerId, onError: (error: unknown) => told.push(error) };
  const worker = startScheduleWorker(work);
  onTestFinished(() => worker.stop());
  await scheduled.due();
  await worker.repair();
  expect(await scheduled.firings()).toHaveLength(2);
  expect((await context.queues.counts('sheaf-schedules'))['delayed']).toBe(1);
  expect(told).toEqual([expect.objectContaining({ message: 'refused by the test' })]);
});
