import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ask, expectNobodyLeft, isServer, processesOf, setup, setupInitialised, theOnly } from './setup.ts';
import { startUser } from './start-user.ts';

it('gives five commands that start at once on a fresh home one server', { timeout: 120_000 }, async () => {
  for (let round = 0; round < 3; round++) {
    const { home } = await setup();
    const users = await Promise.all([1, 2, 3, 4, 5].map(() => startUser(home)));
    expect(new Set(users.map((user) => user.url)).size).toBe(1);
    await theOnly(home, isServer);
    expect(await Promise.all(users.map((user) => user.stop()))).toEqual([0, 0, 0, 0, 0]);
    expect((await processesOf(home)).filter(isServer)).toEqual([]);
    await expectNobodyLeft(home);
  }
});

it('is not stopped before its last user', async () => {
  const { home, start } = await setupInitialised();
  const [first, second] = await Promise.all([startUser(home), startUser(home)]);
  const own = await start();
  const { id } = await theOnly(home, isServer);
  expect([await first.stop(), await second.stop()]).toEqual([0, 0]);
  expect(await ask(own.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect((await theOnly(home, isServer)).id).toBe(id);
  await own.stop();
  expect((await processesOf(home)).filter(isServer)).toEqual([]);
});

it('lets two users in one process leave one after the other', async () => {
  const { start } = await setupInitialised();
  const [first, second] = await Promise.all([start(), start()]);
  expect(first.url).toBe(second.url);
  await first.stop();
  expect(await ask(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('serves newcomers that arrive while the last user is leaving', { timeout: 120_000 }, async () => {
  const { start } = await setupInitialised();
  const comeAndGo = async (seed: number) => {
    for (let round = 0; round < 12; round++) {
      const server = await start();
      expect(await ask(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
      await sleep((seed * 13 + round * 7) % 40);
      await server.stop();
    }
  };
  await Promise.all([1, 2, 3, 4].map(comeAndGo));
});

it('goes on when Ctrl-C is pressed in the terminal of a command that does not end from it', async () => {
  const { home } = await setupInitialised();
  const user = await startUser(home, { detached: true });
  const server = await theOnly(home, isServer);
  process.kill(-(user.process.pid ?? 0), 'SIGINT');
  await sleep(300);
  expect(await ask(user.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect((await theOnly(home, isServer)).id).toBe(server.id);
  expect(await user.stop()).toBe(0);
});
