import { existsSync } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startEmbeddedPostgres } from '../../src/embedded/start-embedded-postgres.ts';
import { ask, expectNobodyLeft, isRoot, isServer, setup, setupInitialised, theOnly } from './setup.ts';

it('makes a database on the first start, and finds it again on the next', async () => {
  const { home, start } = await setup();
  const said: string[] = [];
  const first = await start((text) => said.push(text));
  expect(said[0]).toMatch(/^Setting up PostgreSQL in /);
  expect(first.dataDirectory).toBe(join(home, 'postgres', 'data'));
  await ask(first.url, 'create table kept as select 42 as answer');
  await first.stop();
  const second = await start();
  expect(await ask(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

it('listens on 127.0.0.1 alone, with settings for bulk loading that keep commits durable', async () => {
  const { start } = await setupInitialised();
  const { url } = await start();
  const rows = await ask<{ name: string; setting: string }>(
    url,
    'select name, current_setting(name) as setting from pg_settings',
  );
  const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  expect(settings).toMatchObject({
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    shared_buffers: '256MB',
    max_wal_size: '2GB',
    wal_level: 'minimal',
    max_connections: '200',
    client_connection_check_interval: '5s',
    server_encoding: 'UTF8',
    server_version_num: expect.stringMatching(/^18/),
  });
  expect(new URL(url).hostname).toBe('127.0.0.1');
});

it('knows the case of every letter, and sorts by code point, on all machines alike', async () => {
  const { start } = await setupInitialised();
  const { url } = await start();
  const [row] = await ask(
    url,
    `select lower('ØRSTED') as lower, array(select t from unnest('{å,z,B,a}'::text[]) t order by t) as sorted`,
  );
  expect(row).toEqual({ lower: 'ørsted', sorted: ['B', 'a', 'z', 'å'] });
});

it('asks for a random password of 32 bytes, which only the owner of the data can read', async () => {
  const { start } = await setupInitialised();
  const { url, dataDirectory } = await start();
  expect(new URL(url).password).toMatch(/^[0-9a-f]{64}$/);
  const file = await stat(join(dataDirectory, 'sheaf.password'));
  const folder = await stat(dataDirectory);
  expect(file.mode & 0o777).toBe(0o600);
  expect(folder.mode & 0o777).toBe(0o700);
  expect(file.uid).toBe(folder.uid);
  const wrong = new URL(url);
  wrong.password = 'wrong';
  await expect(ask(wrong.href, 'select')).rejects.toMatchObject({ code: '28P01' });
});

it('returns from stop when the server is gone, and may be stopped twice', async () => {
  const { home, start } = await setupInitialised();
  const server = await start();
  const { id } = await theOnly(home, isServer);
  await Promise.all([server.stop(), server.stop()]);
  expect(() => process.kill(id, 0)).toThrow('ESRCH');
  expect(existsSync(join(server.dataDirectory, 'postmaster.pid'))).toBe(false);
  await server.stop();
  await expectNobodyLeft(home);
});

it('starts while another server has port 5432', async () => {
  const { start } = await setupInitialised();
  const taken = createServer();
  // Taken by somebody else is as good.
  await new Promise<void>((resolve) => taken.once('error', () => resolve()).listen(5432, '127.0.0.1', resolve));
  try {
    const { url } = await start();
    expect(await ask(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  } finally {
    taken.close();
  }
});

it('works in a folder whose path is long and has spaces, quotes and letters of other alphabets', async () => {
  const { home, start } = await setup({ name: join(`Åsa's "bøger" & $HOME`, '資料'.repeat(20), 'x'.repeat(60)) });
  expect(home.length).toBeGreaterThan(108);
  const { url } = await start();
  expect(await ask(url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('keeps two homes apart', async () => {
  const one = await setup();
  const two = await setup();
  const [first, second] = await Promise.all([one.start(), two.start()]);
  expect(first.url).not.toBe(second.url);
  await ask(first.url, 'create table mine ()');
  await first.stop();
  expect(await ask(second.url, "select to_regclass('mine') as mine")).toEqual([{ mine: null }]);
});

it('finds its data again when the home was moved', async () => {
  const { root, start } = await setup();
  const first = await start();
  await ask(first.url, 'create table kept ()');
  await first.stop();
  await rename(join(root, 'home'), join(root, 'moved'));
  const second = await startEmbeddedPostgres({ home: join(root, 'moved') });
  try {
    expect(second.dataDirectory).toBe(join(root, 'moved', 'postgres', 'data'));
    await ask(second.url, 'table kept');
  } finally {
    await second.stop();
  }
});

it('starts in half a second once the folder is there, and stops as fast', async () => {
  const { start } = await setupInitialised();
  const starts: number[] = [];
  const stops: number[] = [];
  for (let round = 0; round < 3; round++) {
    const begun = performance.now();
    const server = await start();
    const ready = performance.now();
    await server.stop();
    starts.push(ready - begun);
    stops.push(performance.now() - ready);
  }
  // The best of three: the machine may be busy with other tests.
  expect(Math.min(...starts)).toBeLessThan(500);
  expect(Math.min(...stops)).toBeLessThan(500);
});

it('refuses a home that is not an absolute path', async () => {
  await expect(startEmbeddedPostgres({ home: '.sheaf' })).rejects.toMatchObject({ code: 'home-unusable' });
});

it.runIf(isRoot)('runs the server as an unprivileged user when Sheaf runs as root', async () => {
  const { home, start } = await setup();
  const { dataDirectory } = await start();
  const { id } = await theOnly(home, isServer);
  expect((await stat(dataDirectory)).uid).not.toBe(0);
  expect((await stat(`/proc/${id}`)).uid).toBe((await stat(dataDirectory)).uid);
});
