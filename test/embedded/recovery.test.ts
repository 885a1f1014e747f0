import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, it } from 'vitest';
import { openCluster } from '../../src/embedded/cluster.ts';
import { findServer } from '../../src/embedded/find-server.ts';
import { startServer } from '../../src/embedded/start-server.ts';
import { leaveServer } from '../../src/embedded/stop-server.ts';
import { ask, expectNobodyLeft, isRoot, isServer, processesOf, setup, setupInitialised, theOnly } from './setup.ts';
import { startUser } from './start-user.ts';

async function killServer(home: string): Promise<void> {
  const server = await theOnly(home, isServer);
  process.kill(server.id, 'SIGKILL');
}

it('starts again after the server and its last user were killed, with everything that was committed', async () => {
  const { home, start } = await setupInitialised();
  const user = await startUser(home);
  await ask(user.url, 'create table kept as select 42 as answer');
  await Promise.all([killServer(home), user.kill()]);
  const { url } = await start();
  expect(await ask(url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

it('leaves nothing running and starts again, wherever in its start a command was killed', {
  timeout: 90_000,
}, async () => {
  const killed = async (afterMs: number, home: string) => {
    const program = fileURLToPath(new URL('./user-program.ts', import.meta.url));
    const child = spawn(process.execPath, [program, home], { stdio: ['pipe', 'ignore', 'ignore'] });
    await sleep(afterMs);
    child.kill('SIGKILL');
    // A keeper that was started for a server which never came waits for it for a while.
    await expectNobodyLeft(home, 25_000);
  };
  const moments = [150, 300, 500, 800, 1_100, 1_400, 1_700, 2_000];
  const bundles = await Promise.all(moments.map((_, index) => (index % 2 === 0 ? setup() : setupInitialised())));
  await Promise.all(bundles.map(({ home }, index) => killed(moments[index] ?? 0, home)));
  for (const { home, start } of bundles) {
    const server = await start();
    expect(await ask(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect((await readdir(join(home, 'postgres'))).sort()).toEqual(['data', 'server.log']);
    await server.stop();
  }
});

it('cleans up after a command that was killed while it set up the data', async () => {
  const { home, start } = await setup();
  const program = fileURLToPath(new URL('./user-program.ts', import.meta.url));
  const child = spawn(process.execPath, [program, home], { stdio: ['pipe', 'ignore', 'ignore'] });
  const names = () => readdir(join(home, 'postgres')).catch(() => []);
  await expect.poll(async () => (await names()).some((name) => name.includes('.making-')), { interval: 10 }).toBe(true);
  child.kill('SIGKILL');
  const { url } = await start();
  expect(await ask(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect((await names()).sort()).toEqual(['data', 'server.log']);
});

it('is not misled by a stale pid file whose process id now belongs to somebody else', async () => {
  const { home, start, dataDirectory } = await setupInitialised();
  const { uid, gid } = await stat(dataDirectory);
  // Of the server's own user: PostgreSQL gets over all others by itself.
  const stranger = spawn('sleep', ['1000'], { stdio: 'ignore', cwd: '/', ...(isRoot && { uid, gid }) });
  try {
    await once(stranger, 'spawn');
    const lines = [
      stranger.pid,
      dataDirectory,
      1700000000,
      5432,
      '',
      '127.0.0.1',
      '  1234567   1234567',
      'ready   ',
      '',
    ];
    await writeFile(join(dataDirectory, 'postmaster.pid'), lines.join('\n'));
    const server = await start();
    expect(await ask(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(stranger.exitCode).toBe(null);
    expect((await theOnly(home, isServer)).id).not.toBe(stranger.pid);
  } finally {
    stranger.kill('SIGKILL');
  }
});

it('gets over a pid file that a crash of the machine left empty', async () => {
  const { start, dataDirectory } = await setupInitialised();
  const path = join(dataDirectory, 'postmaster.pid');
  await writeFile(path, '');
  await utimes(path, 1_700_000_000, 1_700_000_000);
  const { url } = await start();
  expect(await ask(url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('ends the processes of a killed server which still hold its shared memory, and only those', async () => {
  const { home, start } = await setupInitialised();
  const user = await startUser(home);
  const busy = new pg.Client({ connectionString: user.url });
  busy.on('error', () => undefined);
  await busy.connect();
  const endless = busy.query('do $$ begin loop end loop; end $$').catch(() => 'ended');
  await expect
    .poll(() => ask(user.url, "select from pg_stat_activity where query like 'do %' and state = 'active'"))
    .toHaveLength(1);
  await Promise.all([killServer(home), user.kill()]);
  expect((await processesOf(home)).some((found) => found.commandLine.includes(' DO'))).toBe(true);
  const { url } = await start();
  expect(await ask(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(await endless).toBe('ended');
});

it('starts the server again, on the same port, for a command that still runs when it is killed', async () => {
  const { home, start } = await setupInitialised();
  const [first, second] = await Promise.all([start(), start()]);
  const server = await theOnly(home, isServer);
  await killServer(home);
  await expect.poll(() => ask(first.url, 'select 1 as one').catch(() => []), { timeout: 10_000 }).toHaveLength(1);
  expect((await theOnly(home, isServer)).id).not.toBe(server.id);
  await first.stop();
  expect(await ask(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  await second.stop();
  expect((await processesOf(home)).filter(isServer)).toEqual([]);
});

it('keeps its users known when a process of the server crashes and all connections are cut', async () => {
  const { home, start } = await setupInitialised();
  const own = await start();
  const user = await startUser(home);
  const server = await theOnly(home, isServer);
  const [backend] = await ask<{ id: number }>(
    own.url,
    "select pid as id from pg_stat_activity where backend_type = 'walwriter'",
  );
  process.kill(backend?.id ?? 0, 'SIGKILL');
  const leases = "select from pg_stat_activity where application_name = 'sheaf-lease'";
  await expect.poll(() => ask(own.url, leases).catch(() => []), { timeout: 10_000 }).toHaveLength(2);
  expect((await theOnly(home, isServer)).id).toBe(server.id);
  expect(await user.stop()).toBe(0);
  expect(await ask(own.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('takes another port when the chosen one was taken in between', async () => {
  const { home, dataDirectory } = await setupInitialised();
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const port = (taken.address() as { port: number }).port;
  const { uid, gid } = await stat(dataDirectory);
  const cluster = await openCluster(dataDirectory);
  const place = { folder: join(home, 'postgres'), dataDirectory, account: isRoot ? { uid, gid } : undefined };
  try {
    await startServer(place, cluster, port);
    const found = await findServer(cluster);
    expect(found).toMatchObject({ kind: 'running', server: { status: 'ready' } });
    expect(found).not.toMatchObject({ server: { port } });
  } finally {
    await leaveServer(cluster, undefined);
    taken.close();
  }
});
