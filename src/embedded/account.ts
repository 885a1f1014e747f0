import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.ts';

const run = promisify(execFile);

/** The unprivileged user whom the server runs as when Sheaf itself runs as root, which PostgreSQL refuses. */
export type Account = { uid: number; gid: number };

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Undefined: the server runs as the user who runs Sheaf. Existing data keep their owner. */
export async function chooseAccount(dataDirectory: string): Promise<Account | undefined> {
  if (!isRoot()) return undefined;
  return (await ownerOf(dataDirectory)) ?? (await findAccount());
}

async function ownerOf(dataDirectory: string): Promise<Account | undefined> {
  try {
    const { uid, gid } = await stat(dataDirectory);
    if (uid !== 0) return { uid, gid };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  throw new EmbeddedPostgresError(
    'data-owner',
    `The data in ${dataDirectory} belong to root, as whom PostgreSQL refuses to run; give them to another user (chown -R nobody ${dataDirectory}).`,
  );
}

async function findAccount(): Promise<Account> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    // "| 0" because some systems write nobody's id as -2 and others as 4294967294.
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid) | 0, gid: Number(gid) | 0 };
  }
  throw new EmbeddedPostgresError(
    'no-unprivileged-user',
    'PostgreSQL refuses to run as root, and /etc/passwd has neither a user "postgres" nor "nobody" to run it as; add one, run Sheaf as an ordinary user, or set DATABASE_URL.',
  );
}

/** Asks the system itself, as that user: modes, access lists and mounts all count. */
export async function canReach(account: Account | undefined, folder: string): Promise<boolean> {
  if (account === undefined) return true;
  try {
    await run('test', ['-x', folder], { ...account, cwd: '/', env: { PATH: '/usr/bin:/bin' } });
    return true;
  } catch {
    return false;
  }
}
