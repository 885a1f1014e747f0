import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './account.ts';
import { PASSWORD_FILE } from './cluster.ts';
import { diskFull, EmbeddedPostgresError, errorCode, explainFileError } from './embedded-postgres-error.ts';
import { makeFolder } from './make-folder.ts';
import type { Place } from './place.ts';
import { findPrograms } from './programs.ts';
import { CHILD_ENVIRONMENT, INITDB_ARGUMENTS, TUNING_ARGUMENTS } from './server-settings.ts';

const run = promisify(execFile);

/** Makes the data directory when there is none; a folder that is there is never touched. */
export async function initialiseData(place: Place, onProgress: (text: string) => void): Promise<void> {
  try {
    if (await hasData(place.dataDirectory)) return;
    onProgress(`Setting up PostgreSQL in ${place.folder}`);
    const { initdb } = await findPrograms(place);
    await makeFolder(place.dataDirectory, (draft) => fillData(initdb, draft, place.account));
  } catch (error) {
    throw explainFileError(error, place.dataDirectory);
  }
}

async function hasData(dataDirectory: string): Promise<boolean> {
  try {
    const names = await readdir(dataDirectory);
    if (names.length === 0) return false;
    if (names.includes('PG_VERSION')) return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
  // Sheaf never leaves such a folder behind, so it may be anything: only its owner can say that it may go.
  throw new EmbeddedPostgresError(
    'data-incomplete',
    `${dataDirectory} is not a whole PostgreSQL data directory (it has no PG_VERSION); if nothing in it is needed, move it away and start again, otherwise restore it from a backup.`,
  );
}

async function fillData(initdb: string, draft: string, account: Account | undefined): Promise<void> {
  if (account !== undefined) await chown(draft, account.uid, account.gid);
  // initdb wants an empty folder: the password waits beside it.
  const passwordFile = `${draft}.password`;
  await writePassword(passwordFile, account);
  const args = ['-D', draft, `--pwfile=${passwordFile}`, ...INITDB_ARGUMENTS, ...TUNING_ARGUMENTS];
  try {
    await run(initdb, args, { ...account, cwd: '/', env: CHILD_ENVIRONMENT });
  } catch (error) {
    throw explainInitdb(error, draft);
  }
  await rename(passwordFile, join(draft, PASSWORD_FILE));
}

async function writePassword(path: string, account: Account | undefined): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`${randomBytes(32).toString('hex')}\n`);
    if (account !== undefined) await file.chown(account.uid, account.gid);
    await file.sync();
  } finally {
    await file.close();
  }
}

function explainInitdb(error: unknown, draft: string): EmbeddedPostgresError {
  const stderr = (error as { stderr?: string }).stderr ?? '';
  if (stderr.includes('No space left on device')) return diskFull(draft, error);
  if (stderr.includes('could not look up effective user ID')) {
    return new EmbeddedPostgresError(
      'no-unprivileged-user',
      `PostgreSQL cannot be set up by user id ${process.getuid?.()}, which has no entry in /etc/passwd; add one, run Sheaf as a user who has one, or set DATABASE_URL.`,
      { cause: error },
    );
  }
  const said = stderr.split('\n').filter((line) => /error|fatal|could not/i.test(line));
  return new EmbeddedPostgresError(
    'initialise-failed',
    `PostgreSQL could not be set up in ${draft}: ${said.join(' ') || String(error)}; put that right and start again, or set DATABASE_URL to a server.`,
    { cause: error },
  );
}
