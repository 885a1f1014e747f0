import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { EmbeddedPostgresError } from '../../src/embedded/embedded-postgres-error.ts';
import { findPrograms } from '../../src/embedded/programs.ts';
import { startEmbeddedPostgres } from '../../src/embedded/start-embedded-postgres.ts';
import { isRoot, makePlace, setup, setupInitialised } from './setup.ts';
import { startUser } from './start-user.ts';

const run = promisify(execFile);
const NOBODY = { uid: 65534, gid: 65534 };

async function failureOf(attempt: Promise<unknown>): Promise<EmbeddedPostgresError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EmbeddedPostgresError)) throw new Error('It did not fail as it should.', { cause: error });
  expect(error.message).not.toContain('\n');
  return error;
}

it('says which package is missing where there is no PostgreSQL for the system', async () => {
  const place = { folder: '/nowhere', dataDirectory: '/nowhere/data', account: undefined };
  const error = await failureOf(findPrograms(place, { platform: 'sunos', arch: 'sparc' }));
  expect(error.code).toBe('programs-missing');
  expect(error.message).toMatch(/@embedded-postgres\/sunos-sparc.*DATABASE_URL/);
});

it('says what to do instead on Windows', async () => {
  const place = { folder: 'C:\\', dataDirectory: 'C:\\data', account: undefined };
  const error = await failureOf(findPrograms(place, { platform: 'win32', arch: 'x64' }));
  expect(error.code).toBe('unsupported-platform');
});

it('leaves a data directory that is not whole alone, and says so', async () => {
  const { home, start } = await setup();
  const data = join(await makePlace(home), 'data');
  await mkdir(join(data, 'base'), { recursive: true });
  if (isRoot) await chown(data, NOBODY.uid, NOBODY.gid);
  const error = await failureOf(start());
  expect(error.code).toBe('data-incomplete');
  expect(error.message).toContain(data);
  expect(await readdir(data)).toEqual(['base']);
});

it('fills a data directory that is there but empty', async () => {
  const { home, start } = await setup();
  const data = join(await makePlace(home), 'data');
  await mkdir(data);
  if (isRoot) await chown(data, NOBODY.uid, NOBODY.gid);
  await start();
  expect(await readdir(data)).toContain('PG_VERSION');
});

it('names both versions when the data were made by another major version', async () => {
  const { start, dataDirectory } = await setupInitialised();
  await writeFile(join(dataDirectory, 'PG_VERSION'), '17\n');
  const error = await failureOf(start());
  expect(error.code).toBe('data-version');
  expect(error.message).toMatch(/PostgreSQL 17.*PostgreSQL 18/);
});

it('says so when the password is gone', async () => {
  const { start, dataDirectory } = await setupInitialised();
  await rm(join(dataDirectory, 'sheaf.password'));
  expect((await failureOf(start())).code).toBe('password-missing');
});

it.runIf(isRoot)('refuses data that belong to root, as whom PostgreSQL does not run', async () => {
  const { start, dataDirectory } = await setupInitialised();
  await chown(dataDirectory, 0, 0);
  expect((await failureOf(start())).code).toBe('data-owner');
});

it('passes on what PostgreSQL says when it does not start', async () => {
  const { start, dataDirectory } = await setupInitialised();
  await writeFile(join(dataDirectory, 'postgresql.auto.conf'), 'shared_buffers = much\n');
  const error = await failureOf(start());
  expect(error.code).toBe('start-failed');
  expect(error.message).toMatch(/server\.log/);
});

it('names the path when a file is where the home should be', async () => {
  const { root } = await setup();
  await writeFile(join(root, 'file'), '');
  const error = await failureOf(startEmbeddedPostgres({ home: join(root, 'file') }));
  expect(error.code).toBe('home-unusable');
  expect(error.message).toContain(join(root, 'file'));
});

it.runIf(isRoot)('names the path when the home cannot be written', async () => {
  const { root, home } = await setup();
  await chmod(root, 0o755);
  await expect(startUser(home, NOBODY)).rejects.toThrow(
    `The embedded PostgreSQL cannot use ${home}/postgres: permission is denied;`,
  );
});

it.runIf(isRoot)('says that the disk is full, and leaves nothing half-made', async (context) => {
  const { home } = await setup();
  await mkdir(home);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', home]).catch(() =>
    context.skip('mounting is not allowed here'),
  );
  try {
    const error = await failureOf(startEmbeddedPostgres({ home }));
    expect(error.code).toBe('disk-full');
    expect(error.message).toContain(home);
    expect(await readdir(join(home, 'postgres'))).toEqual([]);
  } finally {
    await run('umount', [home]);
  }
});
