import { expect, it, onTestFinished } from 'vitest';
import { renderReport } from '../../../src/cli/render/report.ts';
import { launchRun } from '../../../src/runtime/harvest.ts';
import { startServer } from '../../../src/runtime/serve.ts';
import { livingWorker } from '../../db/setup.ts';
import { range } from '../../support/rows.ts';
import { startServedFleet } from '../setup.ts';

it('lists a run, and shows it', async () => {
  const fleet = await startServedFleet();
  const { run } = await fleet.harvest('oda/Afstemning');
  const list = await fetch(fleet.url);
  expect(list.status).toBe(200);
  expect(await list.text()).toContain(`<a class="id" href="/runs/${run}">`);
  const page = await (await fetch(`${fleet.url}/runs/${run}`)).text();
  expect(page).toContain('Proved complete.');
  expect(page).toContain('<h1 class="id">');
});

it('tells of a run that is not there with a page', async () => {
  const { url } = await startServedFleet();
  const answer = await fetch(`${url}/runs/20261121-000000-aaaa`);
  expect(answer.status).toBe(404);
  expect(await answer.text()).toContain('There is no run 20261121-000000-aaaa.');
});

it('makes the page of a run with 5,000 slices in less than 200 ms, and 300 kB', async () => {
  const { url, context, request } = await startServedFleet();
  const run = await launchRun(context, request('oda/Afstemning'));
  const { pool } = context.database;
  await pool.query('delete from sheaf.slices where run_id = $1', [run]);
  await pool.query(
    `insert into sheaf.slices (run_id, number, state, span, pages, records, error)
     select $1, n, (array['done', 'done', 'pending', 'failed'])[1 + n % 4], '{"after": 0, "upto": 1}', 20, 2000,
            case when n % 4 = 3 then '{"code": "http-404", "message": "not there", "facts": {}}'::jsonb end
     from generate_series(1, 5000) n`,
    [run],
  );
  const times: number[] = [];
  let page = '';
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now();
    page = await (await fetch(`${url}/runs/${run}`)).text();
    times.push(performance.now() - startedAt);
  }
  expect(page).toContain('<b>2,500</b> done');
  expect(page).toContain('1,250 failed for good');
  expect(page.length).toBeLessThan(300_000);
  expect(times.toSorted((a, b) => a - b)[2]).toBeLessThan(200);
});

it('shows what a source has sent as text, and never as a part of the page', async () => {
  const { url, context, request } = await startServedFleet();
  const run = await launchRun(
    context,
    request('oda/Afstemning', { filter: `konklusion ne '<script>alert(1)</script>'` }),
  );
  const error = { code: 'http-500', message: '<img src=x onerror=alert(1)>', facts: {} };
  await context.database.pool.query('update sheaf.slices set error = $2 where run_id = $1', [
    run,
    JSON.stringify(error),
  ]);
  const page = await (await fetch(`${url}/runs/${run}`)).text();
  expect(page).toContain('&#60;img src&#61;x');
  expect(page).not.toMatch(/<img src=x|<script>alert/);
});

it('tells viewers what changes as events, and ends them when the server stops', async () => {
  const fleet = await startServedFleet();
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  const server = await startServer(fleet.context, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.stop());
  const waiting = await fetch(`${server.url}/runs/${run}/events`);
  expect(waiting.headers.get('content-type')).toContain('text/event-stream');
  const told = waiting.text();
  const startedAt = performance.now();
  await server.stop();
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(await told).toMatch(/^retry: 2000/);

  const watching = fetch(`${fleet.url}/runs/${run}/events`).then((answer) => answer.text());
  await fleet.startWorker();
  const events = (await watching).split('\n\n').map((event) => /^event: (\w+)/.exec(event)?.[1]);
  expect(events.filter((name) => name === 'state')).toHaveLength(1);
  expect(events.filter((name) => name !== undefined).at(-1)).toBe('end');
});

it('answers a form that makes no sense with the form, what was typed, and why', async () => {
  const { url } = await startServedFleet();
  const post = async (fields: Readonly<Record<string, string>>) => {
    const answer = await fetch(`${url}/runs`, {
      method: 'POST',
      headers: { origin: url, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields),
    });
    return { status: answer.status, text: await answer.text() };
  };
  const unknown = await post({ dataset: 'oda/Afstemnig', format: 'csv' });
  expect(unknown.status).toBe(400);
  expect(unknown.text).toContain('value="oda/Afstemnig"');
  expect(unknown.text).toMatch(/role="alert">[^<]*Afstemning/);
  expect((await post({ dataset: 'oda/Afstemning', maxRecords: '-3' })).text).toContain('is not a number of records');
  expect((await post({ dataset: 'oda/Afstemning', maxDeletes: '120' })).text).toContain('is not a percentage');
  expect((await post({ dataset: 'oda/Afstemning', format: 'xml' })).text).toContain('is not a format');
  expect((await post({})).status).toBe(400);
});

it('says why a run cannot be steered as it stands', async () => {
  const fleet = await startServedFleet();
  const { run } = await fleet.harvest('oda/Afstemning');
  const press = (action: string) =>
    fetch(`${fleet.url}/runs/${run}/${action}`, { method: 'POST', headers: { origin: fleet.url } });
  for (const action of ['cancel', 'pause', 'resume', 'retry']) {
    const answer = await press(action);
    expect(answer.status).toBe(409);
    expect(await answer.text()).toMatch(/role="alert">Run [^<]* is|has ended/);
  }
});

it('leads from /runs to the list, and from /runs/latest to the newest run', async () => {
  const fleet = await startServedFleet();
  const leadsTo = async (path: string) =>
    (await fetch(`${fleet.url}${path}`, { redirect: 'manual' })).headers.get('location');
  const { run } = await fleet.harvest('oda/Afstemning');
  expect(await leadsTo('/runs')).toBe('/');
  expect(await leadsTo('/runs/latest')).toBe(`/runs/${run}`);
});

it('tells what was done only as long as it is so', async () => {
  const fleet = await startServedFleet();
  const { run } = await fleet.harvest('oda/Afstemning');
  const { pool } = fleet.context.database;
  const shows = async (state: string, done: string) => {
    const finishedAt = state === 'failed' ? new Date() : null;
    await pool.query('update sheaf.runs set state = $2, finished_at = $3 where id = $1', [run, state, finishedAt]);
    const page = await (await fetch(`${fleet.url}/runs/${run}?done=${done}`)).text();
    return page.includes('class="message done"');
  };
  expect(await shows('fetching', 'resume')).toBe(true);
  expect(await shows('failed', 'resume')).toBe(false);
  expect(await shows('paused', 'pause')).toBe(true);
  expect(await shows('fetching', 'pause')).toBe(false);
});

it('does not lead in a circle when a sweep has withheld deletes', async () => {
  const fleet = await startServedFleet();
  await fleet.harvest('oda/Afstemning');
  for (const id of range(1, 100)) fleet.twin.remove('Afstemning', id);
  const report = await fleet.harvest('oda/Afstemning');
  const page = await (await fetch(`${fleet.url}/runs/${report.run}`)).text();
  expect(page).toContain('Deletes withheld.');
  expect(page).not.toContain('Proved complete.');
  expect(page).toMatch(/id="do-retry" disabled/);
  expect(renderReport(report)).toMatch(/--max-deletes, here 40 or more/);
  expect(renderReport(report)).not.toContain('sheaf resume');
});

it('says who makes a pause, and why nobody works a run', async () => {
  const fleet = await startServedFleet();
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  const { pool } = fleet.context.database;
  const page = async () => (await fetch(`${fleet.url}/runs/${run}`)).text();
  const gate = async (breaker: string) => {
    await pool.query(
      `insert into sheaf.gates (source, breaker, closed_until, failures, error) values ('oda', $1, now() + interval '1 hour', 1, $2)
       on conflict (source) do update set breaker = excluded.breaker`,
      [breaker, JSON.stringify({ code: 'http-503', message: 'it is ill', facts: {} })],
    );
    return page();
  };
  const asked = await gate('closed');
  expect(asked).toContain('oda asked to be left alone for another');
  const down = await gate('open');
  expect(down).toMatch(/oda does not answer[^<]*it is ill/);
  expect(down).not.toContain('asked to be left alone');
  await pool.query('delete from sheaf.gates');

  expect(await page()).toContain('<code>sheaf worker</code> starts one');
  await pool.query(`update sheaf.runs set state = 'paused' where id = $1`, [run]);
  expect(await page()).toContain(`<code>sheaf resume ${run}</code>`);
  expect(await page()).not.toContain('starts one');
  await livingWorker(fleet.context.database); // one that does nothing: a real one would finalise a run without slices
  await pool.query(
    `update sheaf.runs set state = 'fetching', sealed_at = now() - interval '1 hour', created_at = now() - interval '2 hours' where id = $1`,
    [run],
  );
  await pool.query('delete from sheaf.slices where run_id = $1', [run]);
  expect(await page()).toMatch(/1 worker is alive, but none has taken a slice/);
});

it('keeps style and scripts for ever, by addresses that change with them', async () => {
  const { url } = await startServedFleet();
  const page = await (await fetch(url)).text();
  const [, address] = /src="(\/assets\/\w+\/sheaf\.js)"/.exec(page) ?? [];
  const script = await fetch(`${url}${address}`);
  expect(script.status).toBe(200);
  expect(script.headers.get('cache-control')).toMatch(/max-age=31536000.*immutable/);
  expect(script.headers.get('content-type')).toContain('javascript');
});
