import { expect, it } from 'vitest';
import { insertRun } from '../../src/db/queries/runs.ts';
import { dropOldFirings, nameRuns, nextFiring } from '../../src/db/queries/schedule-firings.ts';
import { decideStart } from '../../src/domain/schedule.ts';
import { nameRun } from '../../src/producer/plan-run.ts';
import { startFirings, takeDueTimes } from '../../src/producer/schedule-runs.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import type { EventName } from '../../src/telemetry/events.ts';
import { ada, type Scheduled, startScheduled } from '../support/scheduled.ts';

const DAY = 86_400;
const soon = { timeout: 15_000, interval: 50 };
const many = <T>(work: (position: number) => Promise<T>) =>
  Promise.all(Array.from({ length: 10 }, (_, at) => work(at)));

/** Ends the runs that are under way, as if they had been worked. */
const endRuns = ({ fleet }: Scheduled) =>
  fleet.context.database.pool.query(
    `update sheaf.runs set state = 'complete', finished_at = now() where state = 'fetching'`,
  );

const heard = ({ fleet }: Scheduled, ...names: EventName[]): string[] => {
  const told: string[] = [];
  for (const name of names) fleet.context.telemetry.on(name, () => told.push(name));
  return told;
};

it('takes each due time once, of any number who try at the same moment', async () => {
  const scheduled = await startScheduled();
  await scheduled.add();
  for (let round = 1; round <= 5; round++) {
    await scheduled.due();
    await many(() => takeDueTimes({ ...scheduled.fleet.context, failing: new Map() }));
    expect(await scheduled.firings()).toHaveLength(round);
  }
});

it('starts one of two firings, of any number of workers who find them at the same moment', async () => {
  const scheduled = await startScheduled();
  await scheduled.add();
  await scheduled.actions.run(await scheduled.find(), ada);
  await scheduled.actions.run(await scheduled.find(), ada);
  const { id } = await scheduled.find();
  const carriers = await many(() => scheduled.carrier());
  await Promise.all(carriers.map((carrier) => startFirings(carrier, id)));
  expect(await scheduled.firings()).toEqual(['manual started fetching', 'manual skipped']);
});

it('leaves out what is due while the last run is under way, under `skip`, and says so', async () => {
  const scheduled = await startScheduled();
  await scheduled.add({ overlap: 'skip' });
  const told = heard(scheduled, 'schedule.fired', 'schedule.skipped');
  await scheduled.due();
  await scheduled.carryOut();
  await scheduled.due();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron started fetching', 'cron skipped']);
  expect(await scheduled.reason()).toMatch(/^run \S+ is still under way$/);
  expect(told).toEqual(['schedule.fired', 'schedule.skipped']);
  await endRuns(scheduled);
  await scheduled.due();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toHaveLength(3);
});

it('has one wait for the last run, under `queue`, and leaves out a further one', async () => {
  const scheduled = await startScheduled();
  await scheduled.add({ overlap: 'queue' });
  for (let round = 0; round < 3; round++) {
    await scheduled.due();
    await scheduled.carryOut();
  }
  expect(await scheduled.firings()).toEqual(['cron started fetching', 'cron waiting', 'cron skipped']);
  await endRuns(scheduled);
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron started complete', 'cron started fetching', 'cron skipped']);
});

it('ends the last run, under `cancel`, also one that is paused', async () => {
  const scheduled = await startScheduled();
  await scheduled.add({ overlap: 'cancel' });
  await scheduled.due();
  await scheduled.carryOut();
  await scheduled.fleet.context.database.pool.query(`update sheaf.runs set state = 'paused'`);
  await scheduled.due();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron started cancelled', 'cron started fetching']);
});

it('has runs side by side, under `allow`', async () => {
  const scheduled = await startScheduled();
  await scheduled.add({ overlap: 'allow' });
  for (let round = 0; round < 2; round++) {
    await scheduled.due();
    await scheduled.carryOut();
  }
  expect(await scheduled.firings()).toEqual(['cron started fetching', 'cron started fetching']);
});

it.each([
  ['none', ['catch-up skipped']],
  ['latest', ['catch-up started fetching', 'catch-up skipped']],
  ['all', ['catch-up started fetching', 'catch-up waiting', 'catch-up waiting']],
] as const)('makes up for an absence of three days as "%s" says', async (catchUp, expected) => {
  const scheduled = await startScheduled();
  // Due at any time but just now, so that the third day ago is not today.
  const hour = (new Date().getUTCHours() + 12) % 24;
  await scheduled.add({ catchUp, cron: `0 ${hour} * * *` });
  const { nextAt } = await scheduled.find();
  const ago = (Date.now() - (nextAt?.getTime() ?? 0)) / 1_000 + 3 * DAY;
  await scheduled.due(ago);
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(expected);
  expect((await scheduled.find()).nextAt).toEqual(nextAt);
  if (catchUp !== 'all') return;
  for (let round = 0; round < 2; round++) {
    await endRuns(scheduled);
    await scheduled.carryOut();
  }
  expect(await scheduled.firings()).toEqual([
    ...['catch-up started complete', 'catch-up started complete', 'catch-up started fetching'],
  ]);
});

it('starts a firing with jitter later than it is due, and by no more than that', async () => {
  const scheduled = await startScheduled();
  await scheduled.add({ jitterMs: 3_600_000 });
  await scheduled.due();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron waiting']);
  const { rows } = await scheduled.fleet.context.database.pool.query<{ late: number }>(
    'select extract(epoch from start_at - due_at)::float8 as late from sheaf.schedule_firings',
  );
  expect(rows[0]?.late).toBeGreaterThan(0);
  expect(rows[0]?.late).toBeLessThan(3_600);
  await scheduled.hurry();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron started fetching']);
});

/** A firing that a worker has claimed, and that worker is dead. */
async function claimAndDie(scheduled: Scheduled) {
  const { database } = scheduled.fleet.context;
  await scheduled.due();
  await takeDueTimes({ ...scheduled.fleet.context, failing: new Map() });
  const { id: schedule, requests } = await scheduled.find();
  const dead = await scheduled.carrier();
  const next = await nextFiring(database, { schedule, workerId: dead.workerId }, decideStart);
  if (next.kind !== 'claimed') throw new Error('nothing was claimed');
  const runs = await nameRuns(
    database,
    next.claim,
    requests.map(() => nameRun()),
  );
  return { dead, requests, claim: next.claim, runs: runs.map(({ run }) => run) };
}

const countRuns = async ({ fleet }: Scheduled) => {
  const { rows } = await fleet.context.database.pool.query<{ state: string }>(
    'select state from sheaf.runs order by created_at, id',
  );
  return rows.map(({ state }) => state);
};

it('has the firing of a worker that died before it planned anything started by another', async () => {
  const scheduled = await startScheduled();
  await scheduled.add();
  await claimAndDie(scheduled);
  await scheduled.fleet.startWorker();
  await expect.poll(scheduled.firings, soon).toEqual(['cron started complete']);
});

it('plans no second run when a worker died after it had planned one', async () => {
  const scheduled = await startScheduled();
  const { fleet } = scheduled;
  await scheduled.add({
    requests: [fleet.request('oda/Afstemning'), fleet.request('oda/Afstemning', { formats: [] })],
  });
  const { dead, requests, runs } = await claimAndDie(scheduled);
  const [request, run] = [requests[0], runs[0]];
  if (request === undefined || run === undefined) throw new Error('there is no first run');
  await dead.launch('nightly', request, run);
  await fleet.startWorker();
  await expect.poll(scheduled.firings, soon).toEqual(['cron started complete complete']);
  expect(await countRuns(scheduled)).toEqual(['complete', 'complete']);
});

it('gives up a run whose planner died amid its plan, and plans it anew', async () => {
  const scheduled = await startScheduled();
  const { fleet } = scheduled;
  await scheduled.add();
  const { requests, runs } = await claimAndDie(scheduled);
  const [request, id] = [requests[0], runs[0]];
  if (request === undefined || id === undefined) throw new Error('there is no first run');
  const like = await findRun(fleet.context, await plannedRun(scheduled));
  const { entity, sourceUrl, strategy, span, pageSize, expected } = like;
  const half = { id, request, entity, sourceUrl, strategy, span, pageSize, expected, timeWindow: null };
  await insertRun(fleet.context.database, {
    ...half,
    ...{ dataset: 'oda/Afstemning', planRequests: 3, sourceLatest: null, isPlannedWhole: false, ranges: null },
  });
  await fleet.startWorker();
  await expect.poll(scheduled.firings, soon).toEqual(['cron started complete']);
  expect(await findRun(fleet.context, id)).toMatchObject({ state: 'failed', reason: expect.stringMatching(/planner/) });
});

async function plannedRun({ fleet }: Scheduled): Promise<string> {
  const id = nameRun();
  await (await import('../../src/runtime/harvest.ts')).launchRun(fleet.context, fleet.request('oda/Afstemning'), id);
  return id;
}

it('tries a firing again that the source was not there for, and says why it waits', async () => {
  const scheduled = await startScheduled();
  await scheduled.add();
  const told = heard(scheduled, 'schedule.fired', 'schedule.postponed', 'schedule.failed');
  scheduled.fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'status', status: 503 }, where: {} }] });
  await scheduled.due();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron waiting']);
  expect(await scheduled.reason()).toMatch(/^could not be started, and is tried again: .*503/);
  scheduled.fleet.twin.setBehaviour({ faults: [] });
  await scheduled.hurry();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron started fetching']);
  expect(await scheduled.reason()).toBeNull();
  expect(told).toEqual(['schedule.postponed', 'schedule.fired']);
});

it('fails a firing that trying again cannot help, and starts what can be started of it', async () => {
  const scheduled = await startScheduled();
  await scheduled.add({ requests: [scheduled.fleet.request('oda/Afstemning'), scheduled.fleet.request('oda/Sag')] });
  const told = heard(scheduled, 'schedule.fired', 'schedule.failed');
  await scheduled.fleet.context.database.pool.query(
    `update sheaf.schedules set requests = jsonb_set(requests, '{1,dataset,entity}', '"Gone"')`,
  );
  await scheduled.due();
  await scheduled.carryOut();
  expect(await scheduled.firings()).toEqual(['cron failed fetching']);
  expect(await scheduled.reason()).toMatch(/Gone/);
  expect(told).toEqual(['schedule.failed']);
});

it('drops nothing of what a frozen worker comes back to after another has taken over', async () => {
  const scheduled = await startScheduled();
  await scheduled.add();
  const { claim, runs } = await claimAndDie(scheduled);
  await scheduled.fleet.startWorker();
  await expect.poll(scheduled.firings, soon).toEqual(['cron started complete']);
  expect(await nameRuns(scheduled.fleet.context.database, claim, [nameRun()])).toEqual([]);
  const again = { ...(await scheduled.find()) };
  const [request] = again.requests;
  if (request === undefined) throw new Error('there is no request');
  await expect((await scheduled.carrier()).launch('nightly', request, runs[0] ?? '')).rejects.toThrow();
  expect(await countRuns(scheduled)).toEqual(['complete']);
});

it('keeps the newest firings, and drops those that are old or too many', async () => {
  const scheduled = await startScheduled();
  const { database } = scheduled.fleet.context;
  await scheduled.add();
  const { id } = await scheduled.find();
  await database.pool.query(
    `insert into sheaf.schedule_firings (schedule_id, kind, due_at, start_at, state, settled_at)
     select $1, 'cron', at, at, 'skipped', at from generate_series(now() - interval '299 days', now(), '1 day') as at`,
    [id],
  );
  const left = async (days: number, most: number) => {
    await dropOldFirings(database, { days, most });
    const { rows } = await database.pool.query<{ count: number }>(
      'select count(*)::int as count from sheaf.schedule_firings',
    );
    return rows[0]?.count;
  };
  expect(await left(365, 10_000)).toBe(300);
  expect(await left(200, 10_000)).toBe(200);
  expect(await left(1, 10_000)).toBe(100);
  expect(await left(365, 7)).toBe(7);
});

it('goes on to the next time when the clock was set back to times that have fired or were left out', async () => {
  const scheduled = await startScheduled();
  const { pool } = scheduled.fleet.context.database;
  const carrier = await scheduled.carrier();
  await scheduled.add({ catchUp: 'latest', cron: `0 ${(new Date().getUTCHours() + 12) % 24} * * *` });
  const { nextAt } = await scheduled.find();
  const ago = (Date.now() - (nextAt?.getTime() ?? 0)) / 1_000 + 3 * DAY;
  await scheduled.due(ago);
  await takeDueTimes(carrier);
  const before = await scheduled.firings();
  expect(before).toHaveLength(2);
  const told = heard(scheduled, 'schedule.skipped', 'schedule.failed');
  for (const end of ['min', 'max']) {
    await pool.query(`update sheaf.schedules set next_at = (select ${end}(due_at) from sheaf.schedule_firings)`);
    await takeDueTimes(carrier);
    expect((await scheduled.find()).nextAt).toEqual(nextAt);
  }
  expect(await scheduled.firings()).toEqual(before);
  expect(told).toEqual([]);
});
