import { expect, it } from 'vitest';
import { listAudit } from '../../src/db/queries/audit.ts';
import { describeSchedule } from '../../src/runtime/schedules.ts';
import { ada, startScheduled } from '../support/scheduled.ts';

const at = (text: string) => new Date(text);

it('adds a schedule that makes sense, and says what is wrong with others', async () => {
  const scheduled = await startScheduled();
  const { fleet } = scheduled;
  await scheduled.add({ cron: '30  2 * * *', timeZone: 'europe/copenhagen' });
  const report = await describeSchedule(fleet.context, await scheduled.find());
  expect(report).toMatchObject({ cron: '30 2 * * *', timeZone: 'Europe/Copenhagen', datasets: ['oda/Afstemning'] });
  expect(report).toMatchObject({ state: 'active', firings: [] });
  expect(report.nextTimes).toHaveLength(3);
  expect(report.nextTimes[0]?.getTime()).toBeGreaterThan(Date.now());
  const code = async (changes: Parameters<typeof scheduled.add>[0]) =>
    scheduled.add({ name: 'other', ...changes }).catch((error: { code: string }) => error.code);
  expect(await code({ name: 'nightly' })).toBe('schedule-exists');
  expect(await code({ name: 'Nightly Votes' })).toBe('bad-schedule-name');
  expect(await code({ cron: '99 * * * *' })).toBe('bad-cron');
  expect(await code({ timeZone: 'Europe/Kopenhagen' })).toBe('unknown-time-zone');
  expect(await code({ jitterMs: 86_400_000 })).toBe('bad-jitter');
  expect(await code({ requests: [fleet.request('oda/Afstemming')] })).toBe('unknown-entity');
  expect(await code({ requests: [fleet.request('odb/Afstemning')] })).toBe('unknown-source');
  expect(await code({ requests: [fleet.request('oda/Afstemning', { filter: 'nope eq 1' })] })).toBe('unknown-field');
  expect(await code({ requests: [] })).toBe('no-datasets');
});

it('makes up for nothing that was due during a pause, and yet fires when it is told to', async () => {
  const scheduled = await startScheduled();
  const { actions, find } = scheduled;
  await scheduled.add({ catchUp: 'all', jitterMs: 3_600_000 });
  await scheduled.due();
  await scheduled.carryOut(); // waits for its jitter
  await actions.pause(await find(), ada);
  expect(await scheduled.firings()).toEqual(['cron skipped']);
  expect(await scheduled.reason()).toBe('the schedule was paused');
  expect((await find()).nextAt).toBeNull();
  await expect(actions.pause(await find(), ada)).rejects.toMatchObject({ code: 'cannot-pause' });
  await scheduled.carryOut();
  await actions.run(await find(), ada);
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron skipped', 'manual started fetching']);
  await actions.resume(await find(), ada);
  expect((await find()).nextAt?.getTime()).toBeGreaterThan(Date.now());
  await expect(actions.resume(await find(), ada)).rejects.toMatchObject({ code: 'cannot-resume' });
  await scheduled.carryOut();
  expect(await scheduled.firings()).toHaveLength(2);
});

it('starts nothing during a pause that was being planned when it began', async () => {
  const scheduled = await startScheduled();
  await scheduled.add();
  scheduled.fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'status', status: 503 }, where: {} }] });
  await scheduled.due();
  const carrying = scheduled.carryOut();
  await expect.poll(scheduled.firings).toEqual(['cron starting']);
  await scheduled.actions.pause(await scheduled.find(), ada);
  await carrying;
  scheduled.fleet.twin.setBehaviour({ faults: [] });
  await scheduled.hurry();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron waiting']);
  await scheduled.actions.resume(await scheduled.find(), ada);
  expect(await scheduled.firings()).toEqual(['cron skipped']);
});

it('fills a past span, one firing after another, until it is paused', async () => {
  const scheduled = await startScheduled();
  const { actions, find } = scheduled;
  await scheduled.add({ timeZone: 'Europe/Copenhagen', overlap: 'allow' });
  const span = { from: at('2026-03-28T00:00+01:00'), to: at('2026-03-31T02:30+02:00') };
  expect(await actions.backfill(await find(), { ...span, isDryRun: true }, ada)).toHaveLength(3);
  expect(await scheduled.firings()).toEqual([]);
  const times = await actions.backfill(await find(), span, ada);
  expect(times.map((time) => time.toISOString())).toEqual([
    ...['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'],
  ]);
  await scheduled.carryOut();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['backfill started fetching', 'backfill waiting', 'backfill waiting']);
  await scheduled.fleet.context.database.pool.query(
    `update sheaf.runs set state = 'complete', finished_at = now() where state = 'fetching'`,
  );
  await scheduled.carryOut();
  await actions.pause(await find(), ada);
  expect(await scheduled.firings()).toEqual([
    ...['backfill started complete', 'backfill started fetching', 'backfill skipped'],
  ]);
});

it('refuses to fill a span that is empty, lies ahead, or is silly', async () => {
  const scheduled = await startScheduled();
  await scheduled.add({ cron: '* * * * *' });
  const fill = async (from: string, to: string) =>
    scheduled.actions.backfill(await scheduled.find(), { from: at(from), to: at(to) }, ada);
  await expect(fill('2026-01-02T00:00Z', '2026-01-01T00:00Z')).rejects.toThrow(/is empty/);
  await expect(fill('2026-01-01T00:00Z', '2099-01-01T00:00Z')).rejects.toThrow(/has not come yet/);
  await expect(fill('2026-01-01T00:00Z', '2026-06-01T00:00Z')).rejects.toThrow(/more than 1000 times/);
  await expect(fill('2026-01-01T00:00:10Z', '2026-01-01T00:00:20Z')).rejects.toThrow(/would not have been due/);
  expect(await scheduled.firings()).toEqual([]);
});

it('keeps the runs of a schedule that is removed, and writes down who did what', async () => {
  const scheduled = await startScheduled();
  const { actions, fleet } = scheduled;
  await scheduled.add();
  await actions.run(await scheduled.find(), ada);
  await scheduled.carryOut();
  await actions.remove(await scheduled.find(), ada);
  await expect(scheduled.find()).rejects.toMatchObject({ code: 'unknown-schedule' });
  const { rows } = await fleet.context.database.pool.query('select state from sheaf.runs');
  expect(rows).toEqual([{ state: 'fetching' }]);
  const entries = (await listAudit(fleet.context.database, { limit: 10 })).toReversed();
  expect(entries.map(({ actor, via, action, targetKind }) => `${actor} ${via} ${action} ${targetKind}`)).toEqual([
    'ada api add schedule',
    'ada api run schedule',
    'nightly schedule start run',
    'ada api remove schedule',
  ]);
});
