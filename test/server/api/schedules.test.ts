import { expect, it } from 'vitest';
import { startServedFleet } from '../setup.ts';

const soon = { timeout: 15_000, interval: 50 };
const nightly = { name: 'nightly', cron: '30 2 * * *', timeZone: 'Europe/Copenhagen', datasets: ['oda/Afstemning'] };

const call = async (url: string, method = 'GET', body?: unknown) => {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) };
};

it('adds a schedule, fires it, shows what came of it, and removes it', async () => {
  const fleet = await startServedFleet();
  const schedules = `${fleet.url}/api/schedules`;
  const added = await call(schedules, 'POST', { ...nightly, harvest: { formats: [], mode: 'step' } });
  expect(added).toMatchObject({
    status: 201,
    body: { name: 'nightly', state: 'active', overlap: 'skip', firings: [], asksFor: 'step' },
  });
  expect(added.body.harvest).toMatchObject({ mode: 'step', filter: null, formats: [] });
  expect(added.headers.get('location')).toBe('/api/schedules/nightly');
  expect(added.body.nextTimes).toHaveLength(3);

  await fleet.startWorker();
  expect(await call(`${schedules}/nightly/pause`, 'POST')).toMatchObject({ status: 200, body: { state: 'paused' } });
  expect(await call(`${schedules}/nightly/pause`, 'POST')).toMatchObject({
    status: 409,
    body: { code: 'cannot-pause' },
  });
  expect(await call(`${schedules}/nightly/run`, 'POST')).toMatchObject({ status: 200 });
  const firings = async () => (await call(`${schedules}/nightly`)).body.firings;
  const run = { dataset: 'oda/Afstemning', state: 'complete' };
  await expect.poll(firings, soon).toMatchObject([{ kind: 'manual', state: 'started', runs: [run] }]);
  expect(await call(`${schedules}/nightly/resume`, 'POST')).toMatchObject({ body: { state: 'active' } });
  expect(await call(schedules)).toMatchObject({ status: 200, body: { schedules: [{ firings: [{ runs: [run] }] }] } });

  const span = { from: '2026-03-28T00:00:00Z', to: '2026-03-31T00:00:00Z' };
  const dry = await call(`${schedules}/nightly/backfill`, 'POST', { ...span, dryRun: true });
  expect(dry.body.times).toEqual(['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z']);
  expect(await call(`${schedules}/nightly`, 'DELETE')).toMatchObject({ status: 204 });
  expect(await call(`${schedules}/nightly`)).toMatchObject({ status: 404, body: { code: 'unknown-schedule' } });
});

it('refuses what makes no sense, with the code of the reason', async () => {
  const { url } = await startServedFleet();
  const schedules = `${url}/api/schedules`;
  const add = async (changes: object) => {
    const { status, body } = await call(schedules, 'POST', { ...nightly, ...changes });
    return `${status} ${body.code}`;
  };
  expect(await add({})).toBe('201 undefined');
  expect(await add({})).toBe('409 schedule-exists');
  expect(await add({ name: 'other', cron: 'often' })).toBe('400 bad-cron');
  expect(await add({ name: 'other', timeZone: 'Nowhere' })).toBe('400 unknown-time-zone');
  expect(await add({ name: 'other', datasets: ['oda/Nothing'] })).toBe('400 unknown-entity');
  expect(await add({ name: 'other', datasets: [] })).toBe('400 invalid-request');
  expect(await add({ name: 'other', harvest: { out: '/etc' } })).toBe('400 invalid-request');
  expect(await add({ name: '../other' })).toBe('400 bad-schedule-name');
  const backfill = (body: object) => call(`${schedules}/nightly/backfill`, 'POST', body);
  expect(await backfill({ from: '2026-01-01T00:00:00Z', to: '2020-01-01T00:00:00Z' })).toMatchObject({
    ...{ status: 400, body: { code: 'bad-backfill' } },
  });
});

it('lists a schedule that cannot be read with what is wrong with it, beside the others', async () => {
  const fleet = await startServedFleet();
  const schedules = `${fleet.url}/api/schedules`;
  await call(schedules, 'POST', { ...nightly, name: 'broken' });
  await call(schedules, 'POST', nightly);
  await fleet.context.database.pool.query(
    `update sheaf.schedules set time_zone = 'Mars/Phobos', cron = '<b>often' where name = 'broken'`,
  );
  const error = expect.stringContaining('Mars/Phobos');
  expect(await call(schedules)).toMatchObject({
    status: 200,
    body: {
      schedules: [
        { name: 'broken', error, nextTimes: [] },
        { error: null, nextTimes: { length: 3 } },
      ],
    },
  });
  expect(await call(`${schedules}/broken`)).toMatchObject({ status: 200, body: { error } });
  await call(`${schedules}/broken/pause`, 'POST');
  expect(await call(`${schedules}/broken/resume`, 'POST')).toMatchObject({
    status: 400,
    body: { code: 'unreadable-timetable' },
  });
  const page = await fetch(`${fleet.url}/schedules`);
  expect(page.status).toBe(200);
  const text = await page.text();
  expect(text).toContain('&#60;b&#62;often');
  expect(text).toContain('02:30:00');
  expect(await call(`${schedules}/broken`, 'DELETE')).toMatchObject({ status: 204 });
});
