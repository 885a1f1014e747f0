import { createHash, randomBytes } from 'node:crypto';
import { chmod, link, lstat, mkdir, readFile, realpath, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, canReach, chooseAccount, isRoot } from './account.ts';
import { EmbeddedPostgresError, errorCode, explainFileError } from './embedded-postgres-error.ts';

/** Where the files of a home's server lie, and whom they belong to. */
export type Place = {
  folder: string;
  dataDirectory: string;
  account: Account | undefined;
};

/**
 * The data lie in `<home>/postgres/data`, with `server.log` beside it.
 *
 * Run by root it can be otherwise. The server then belongs to an unprivileged user, who must be able to walk down to its data,
 * and a home under /root (mode 700) or one made with umask 077 bars the way. The data then lie in a folder of their own, mostly
 * `/var/lib/sheaf/<hash of home>-<random>/` (0711, of root; the data in it 0700, of the server's user), and
 * `<home>/postgres/location` says where. The random part is there because a home which is deleted and made again must be empty:
 * it must not find the data of the one before.
 */
export async function findPlace(home: string): Promise<Place> {
  const folder = join(home, 'postgres');
  try {
    await mkdir(home, { recursive: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Others may pass, not look: what is in there guards itself.
    if (isRoot()) await chmod(folder, 0o711).catch(() => undefined);
    const location = await readLocation(folder);
    if (location !== undefined) return await openPlace(location);
    const place = await openPlace(await realpath(folder));
    return (await canReach(place.account, place.folder)) ? place : await relocate(place);
  } catch (error) {
    throw explainFileError(error, folder);
  }
}

async function openPlace(folder: string): Promise<Place> {
  const dataDirectory = join(folder, 'data');
  return { folder, dataDirectory, account: await chooseAccount(dataDirectory) };
}

async function readLocation(folder: string): Promise<string | undefined> {
  const path = join(folder, 'location');
  try {
    // Root goes only where root has said: in another user's home, that user could send it anywhere.
    if (isRoot() && (await lstat(path)).uid !== 0) return undefined;
    const location = (await readFile(path, 'utf8')).trim();
    await mkdir(location, { recursive: true, mode: 0o711 });
    return location;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function relocate(place: Place): Promise<Place> {
  const name = `${createHash('sha256').update(place.folder).digest('hex').slice(0, 16)}-${randomBytes(4).toString('hex')}`;
  for (const base of ['/var/lib/sheaf', '/var/tmp/sheaf', join(tmpdir(), 'sheaf')]) {
    const folder = await makeReachable(base, name, place.account);
    if (folder !== undefined) return openPlace(await agreeOn(folder, place.folder));
  }
  throw new EmbeddedPostgresError(
    'home-unusable',
    `The server of ${place.folder} runs as user ${place.account?.uid}, who can reach neither that folder nor one in /var/lib, /var/tmp or ${tmpdir()}; set SHEAF_HOME to a folder that user can reach.`,
  );
}

async function makeReachable(base: string, name: string, account: Account | undefined): Promise<string | undefined> {
  try {
    await mkdir(base, { recursive: true, mode: 0o711 });
    const { uid, mode } = await lstat(base);
    // In a folder where anybody may write, somebody else may have made this one before us.
    if (uid !== 0 || (mode & 0o022) !== 0) return undefined;
    await chmod(base, 0o711);
    const folder = join(base, name);
    await mkdir(folder);
    await chmod(folder, 0o711);
    if (await canReach(account, folder)) return folder;
    await rmdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOSPC') throw error;
  }
  return undefined;
}

/** Of several processes that relocate the same home at once, the first one's folder counts: only one `link` succeeds. */
async function agreeOn(folder: string, homeFolder: string): Promise<string> {
  const draft = join(homeFolder, `location.${process.pid}-${randomBytes(4).toString('hex')}`);
  try {
    await writeFile(draft, `${folder}\n`, { flush: true });
    await link(draft, join(homeFolder, 'location'));
    return folder;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    await rmdir(folder);
    return (await readFile(join(homeFolder, 'location'), 'utf8')).trim();
  } finally {
    await rm(draft, { force: true });
  }
}
