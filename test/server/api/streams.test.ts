import { once } from 'node:events';
import { rename, rm, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256 } from '../../support/independent.ts';
import { type ServedFleet, startServedFleet } from '../setup.ts';

const RECORDS = '/api/datasets/oda/Afstemning/records';
const soon = { timeout: 10_000, interval: 20 };

/** A dataset of 20,000 records of a kilobyte each: more than sockets and streams keep in between. */
async function largeFleet(): Promise<ServedFleet> {
  const fleet = await startServedFleet();
  await fleet.harvest('oda/Afstemning', { formats: [], maxRecords: 1 });
  await fleet.context.database.pool.query(
    `insert into sheaf.records (dataset, key, data, hash, first_seen_at, changed_at)
     select 'oda/Afstemning', n::text, jsonb_build_object('id', n, 'konklusion', repeat(md5(n::text), 30)),
            md5(n::text)::uuid, now(), now() from generate_series(1001, 21000) n`,
  );
  return fleet;
}

/** Asks for a stream, and takes nothing of it yet. */
async function open(url: string): Promise<IncomingMessage> {
  const request = httpRequest(url).end();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return answer;
}

/** Transactions that streams hold open. */
async function reading({ context }: ServedFleet): Promise<number> {
  const { rows } = await context.database.pool.query<{ count: number }>(
    `select count(*) as count from pg_stat_activity where datname = current_database() and query like 'fetch % from reading'
       and state like '%in transaction%'`,
  );
  return rows[0]?.count ?? 0;
}

it('gives back the connection of a client that goes away, and refuses more streams than it can give', async () => {
  const fleet = await largeFleet();
  const url = `${fleet.url}${RECORDS}?format=ndjson`;
  const streams = await Promise.all([1, 2, 3, 4].map(() => open(url)));
  expect(streams.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200]);
  await expect.poll(() => reading(fleet), soon).toBe(4);
  const refused = await fetch(url);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
  expect(await refused.json()).toMatchObject({ code: 'too-many-streams' });
  const page = await fetch(`${fleet.url}${RECORDS}?limit=1`); // pages go on
  expect([page.status, (await page.text()).slice(0, 11)]).toEqual([200, '{"records":']);
  for (const stream of streams) stream.destroy();
  await expect.poll(() => reading(fleet), soon).toBe(0);
  const lines = (await (await fetch(url)).text()).trimEnd().split('\n');
  expect(lines).toHaveLength(20_001);
});

it('breaks a stream off that cannot be read to its end, so that nobody takes it for whole', async () => {
  const fleet = await largeFleet();
  for (const format of ['ndjson', 'csv']) {
    const stream = await open(`${fleet.url}${RECORDS}?format=${format}`);
    expect(stream.statusCode).toBe(200);
    await expect.poll(() => reading(fleet), soon).toBe(1);
    await fleet.context.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'fetch % from reading'`,
    );
    const failed = once(stream, 'error');
    stream.resume();
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
    expect(stream.complete).toBe(false);
  }
});

it('sends the file that a run has written, and no other that somebody has put in its place', async () => {
  const fleet = await startServedFleet();
  const { run, exports } = await fleet.harvest('oda/Afstemning', { formats: ['csv'] });
  const [file] = exports;
  if (file === undefined) throw new Error('the run wrote no file');
  const url = `${fleet.url}/api/runs/${run}/exports/csv`;
  const answer = await fetch(url);
  expect(answer.headers.get('etag')).toBe(`"${file.sha256}"`);
  expect(answer.headers.get('content-disposition')).toBe(
    `attachment; filename="oda-Afstemning.csv"; filename*=UTF-8''oda-Afstemning.csv`,
  );
  expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(file.sha256);
  const again = await fetch(url, { headers: { 'if-none-match': `"${file.sha256}"` } });
  expect([again.status, await again.text()]).toEqual([304, '']);

  const gone = async () => {
    const refused = await fetch(url);
    expect(refused.status).toBe(404);
    expect(await refused.json()).toMatchObject({ code: 'export-gone' });
  };
  const secret = join(fleet.out, 'secret');
  await writeFile(secret, 'x'.repeat(file.bytes));
  const aside = `${file.path}.aside`;
  await rename(file.path, aside);
  await gone(); // not there
  await symlink(secret, file.path);
  await gone(); // a link to another file
  await rm(file.path);
  await writeFile(file.path, 'short');
  await gone(); // not as it was
  await rm(file.path);
  await rename(aside, file.path);
  const outside = `update sheaf.exports set path = $2 where run_id = $1`;
  for (const path of [secret, `${dirname(file.path)}/../../secret`, '/etc/passwd', '/dev/zero']) {
    await fleet.context.database.pool.query(outside, [run, path]);
    await gone();
  }
  await fleet.context.database.pool.query(outside, [run, file.path]);
  expect(sha256(Buffer.from(await (await fetch(url)).arrayBuffer()))).toBe(file.sha256);
});
