import { appendFile, cp, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { openCluster } from '../../src/embedded/cluster.ts';
import { limitLog } from '../../src/embedded/server-log.ts';
import { ask, expectNobodyLeft, isKeeper, isServer, setup, setupInitialised, theOnly } from './setup.ts';
import { startUser } from './start-user.ts';

it('stops the server within seconds when its last user was killed', async () => {
  const { home } = await setupInitialised();
  const user = await startUser(home);
  await user.kill();
  await expectNobodyLeft(home);
});

it('leaves the server to the users who remain when one was killed', async () => {
  const { home, start } = await setupInitialised();
  const own = await start();
  const user = await startUser(home);
  const server = await theOnly(home, isServer);
  await user.kill();
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  expect(await ask(own.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect((await theOnly(home, isServer)).id).toBe(server.id);
});

it('is there once, however many commands run, and ends with the server', async () => {
  const { home, start } = await setupInitialised();
  const servers = await Promise.all([start(), start(), start()]);
  await theOnly(home, isKeeper);
  await Promise.all(servers.map((server) => server.stop()));
  await expectNobodyLeft(home, 2_000);
});

it('is replaced by the next command when it was killed, and that command adopts the server', async () => {
  const { home, start } = await setupInitialised();
  const user = await startUser(home);
  const server = await theOnly(home, isServer);
  const keeper = await theOnly(home, isKeeper);
  process.kill(keeper.id, 'SIGKILL');
  await user.kill();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect((await theOnly(home, isServer)).id).toBe(server.id);
  const adopted = await start();
  expect(adopted.url).toBe(user.url);
  expect((await theOnly(home, isKeeper)).id).not.toBe(keeper.id);
  await adopted.stop();
  await expectNobodyLeft(home, 2_000);
});

it('holds open neither the pipes of the command nor its terminal', async () => {
  const { home } = await setupInitialised();
  const user = await startUser(home);
  await theOnly(home, isKeeper);
  const begun = performance.now();
  // Resolves when every process that holds an end of the pipes is gone.
  await user.kill();
  expect(performance.now() - begun).toBeLessThan(500);
  await theOnly(home, isServer);
});

it('works from compiled JavaScript too', async () => {
  const { root, home } = await setup();
  const source = fileURLToPath(new URL('../../src/', import.meta.url));
  const compiled = join(root, 'compiled/embedded');
  await mkdir(compiled, { recursive: true });
  await mkdir(join(root, 'compiled/domain'));
  const names = (await readdir(join(source, 'embedded'))).map((name) => `embedded/${name}`);
  for (const name of [...names, 'domain/errors.ts']) {
    const text = stripTypeScriptTypes(await readFile(join(source, name), 'utf8'));
    const javascript = text.replaceAll(/(from '\.{1,2}\/[\w/-]+)\.ts'/g, "$1.js'");
    await writeFile(join(root, 'compiled', name.replace('.ts', '.js')), javascript);
  }
  await writeFile(join(root, 'package.json'), '{ "type": "module" }');
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(root, 'node_modules'));
  const program = join(root, 'user-program.mjs');
  await cp(fileURLToPath(new URL('./user-program.ts', import.meta.url)), program);
  const text = await readFile(program, 'utf8');
  const entry = pathToFileURL(join(compiled, 'start-embedded-postgres.js')).href;
  await writeFile(program, text.replace('../../src/embedded/start-embedded-postgres.ts', entry));
  const user = await startUser(home, { program });
  expect((await theOnly(home, isKeeper)).commandLine).toContain('keeper.js');
  await user.kill();
  await expectNobodyLeft(home);
});

it('cuts the log of the server when it has grown too long', async () => {
  const { start, dataDirectory } = await setupInitialised();
  await start();
  const cluster = await openCluster(dataDirectory);
  await appendFile(cluster.logFile, 'x'.repeat(100_000));
  await limitLog(cluster, 50_000);
  expect((await stat(cluster.logFile)).size).toBe(0);
});
