import { expect, it, onTestFinished } from 'vitest';
import { claimKey, releaseKey } from '../../../src/db/queries/idempotency.ts';
import { newRunId } from '../../../src/domain/run.ts';
import { createRunActions } from '../../../src/runtime/actions.ts';
import { startServer } from '../../../src/runtime/serve.ts';
import { type ServedFleet, startServedFleet } from '../setup.ts';

const BODY = { dataset: 'oda/Afstemning', formats: ['csv'] };

function start(url: string, key: string, body: unknown = BODY): Promise<Response> {
  return fetch(`${url}/api/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(body),
  });
}

async function runsOf({ context }: ServedFleet): Promise<{ id: string; state: string }[]> {
  const { rows } = await context.database.pool.query<{ id: string; state: string }>(
    'select id, state from sheaf.runs order by created_at',
  );
  return rows;
}

/** A second server over the same database, as another process would be, or the same one after a restart. */
async function anotherServer({ context }: ServedFleet): Promise<string> {
  const server = await startServer(context, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.stop());
  return server.url;
}

it('starts one run for twenty requests at once, at two servers', async () => {
  const fleet = await startServedFleet();
  const urls = [fleet.url, await anotherServer(fleet)];
  const answers = await Promise.all(Array.from({ length: 20 }, (_unused, n) => start(urls[n % 2] ?? '', 'k1')));
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status !== 201 && status !== 409)).toEqual([]);
  expect(statuses).toContain(201);
  expect(await runsOf(fleet)).toHaveLength(1);
  const busy = answers.find(({ status }) => status === 409);
  expect(busy?.headers.get('retry-after')).toBe('1');
  expect(await busy?.json()).toMatchObject({ code: 'idempotency-in-progress' });
});

it('gives a request that is repeated its first answer, also at another server', async () => {
  const fleet = await startServedFleet();
  const first = await start(fleet.url, 'k1');
  const again = await start(await anotherServer(fleet), 'k1', { filter: null, ...BODY, shape: 'source' });
  expect(again.status).toBe(201);
  expect(again.headers.get('location')).toBe(first.headers.get('location'));
  expect(await again.text()).toBe(await first.text());
  expect(await runsOf(fleet)).toHaveLength(1);
});

it('refuses a key that was given before with another body, and a new key starts another run', async () => {
  const fleet = await startServedFleet();
  await start(fleet.url, 'k1');
  const refused = await start(fleet.url, 'k1', { ...BODY, maxRecords: 10 });
  expect(refused.status).toBe(422);
  expect(await refused.json()).toMatchObject({ code: 'idempotency-key-reused' });
  expect((await start(fleet.url, 'k2')).status).toBe(201);
  expect(await runsOf(fleet)).toHaveLength(2);
});

it('lets a request that was refused be put right under the same key', async () => {
  const fleet = await startServedFleet();
  const refused = await start(fleet.url, 'k1', { dataset: 'oda/Afstemningen' });
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({ code: 'unknown-entity' });
  expect((await start(fleet.url, 'k1')).status).toBe(201);
});

it('does not start a second run when the server was killed after the run had been planned', async () => {
  const fleet = await startServedFleet();
  const { run } = (await (await start(fleet.url, 'k1')).json()) as { run: string };
  // The answer of this first request never reached the client.
  await fleet.context.database.pool.query(`update sheaf.idempotency set busy_until = now() + interval '1 minute'`);
  expect(await (await start(fleet.url, 'k1')).json()).toMatchObject({ run });
  expect(await runsOf(fleet)).toHaveLength(1);
});

it('goes on under the same id when the server was killed before it had planned anything', async () => {
  const fleet = await startServedFleet();
  const { pool } = fleet.context.database;
  const { run } = (await (await start(fleet.url, 'k1')).json()) as { run: string };
  await pool.query('delete from sheaf.runs'); // there is the claim only, as there is when it has just been made
  expect((await start(fleet.url, 'k1')).status).toBe(409); // it may still be at it
  await pool.query(`update sheaf.idempotency set busy_until = now()`);
  expect(await (await start(fleet.url, 'k1')).json()).toMatchObject({ run });
  expect(await runsOf(fleet)).toHaveLength(1);
});

it('starts anew when the server was killed in the middle of writing the plan', async () => {
  const fleet = await startServedFleet();
  const { pool } = fleet.context.database;
  await start(fleet.url, 'k1');
  await pool.query(`update sheaf.runs set state = 'planning', sealed_at = null, slice_count = null`);
  expect((await start(fleet.url, 'k1')).status).toBe(409);
  await pool.query(`update sheaf.runs set state = 'failed', finished_at = now()`); // as the reconciler does
  expect((await start(fleet.url, 'k1')).status).toBe(201);
  expect((await runsOf(fleet)).map(({ state }) => state)).toEqual(['failed', 'fetching']);
});

it('answers with the one run when two servers plan under the same id after all', async () => {
  const fleet = await startServedFleet();
  const id = newRunId(new Date(), Buffer.from([1, 2, 3, 4]));
  const actor = { name: 'local', role: 'operator', via: 'api', address: null } as const;
  const actions = createRunActions(fleet.context);
  const request = fleet.request('oda/Afstemning');
  const planned = await Promise.allSettled([1, 2, 3].map(() => actions.start(request, actor, id)));
  expect(planned.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(await runsOf(fleet)).toMatchObject([{ id, state: 'fetching' }]);
});

it('keeps the keys of one actor from another, forgets them after a day, and lets nobody give back what is not theirs', async () => {
  const { context } = await startServedFleet();
  const { database } = context;
  const request = { actor: 'anna', key: 'k1', fingerprint: 'f' };
  const claim = await claimKey(database, request, 'r1');
  expect(claim).toEqual({ kind: 'claimed', run: 'r1', attempt: 1 });
  expect(await claimKey(database, { ...request, actor: 'bo' }, 'r2')).toMatchObject({ kind: 'claimed', run: 'r2' });
  expect(await claimKey(database, request, 'r3')).toEqual({ kind: 'busy' });
  await releaseKey(database, request, { run: 'r1', attempt: 7 });
  expect(await claimKey(database, request, 'r3')).toEqual({ kind: 'busy' });
  await database.pool.query(`update sheaf.idempotency set created_at = now() - interval '25 hours'`);
  expect(await claimKey(database, { ...request, fingerprint: 'g' }, 'r4')).toMatchObject({
    kind: 'claimed',
    run: 'r4',
  });
});
