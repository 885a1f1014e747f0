import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EmbeddedPostgresError, errorCode, explainFileError } from './embedded-postgres-error.ts';

/** What one needs to know of an initialised data directory to reach, watch and stop its server. */
export type Cluster = {
  dataDirectory: string;
  logFile: string;
  password: string;
  /**
   * Stands in the command line of every process of the server. Made of the folder's device and inode: it stays when the folder
   * is moved, also while the server runs, and differs for a copy.
   */
  marker: string;
};

/** Inside the data directory, so that it comes into being together with the role it belongs to. */
export const PASSWORD_FILE = 'sheaf.password';

export async function openCluster(dataDirectory: string): Promise<Cluster> {
  try {
    const { dev, ino } = await stat(dataDirectory, { bigint: true });
    return {
      dataDirectory: await realpath(dataDirectory),
      logFile: join(dirname(dataDirectory), 'server.log'),
      password: (await readFile(join(dataDirectory, PASSWORD_FILE), 'utf8')).trim(),
      marker: `sheaf-${dev.toString(36)}-${ino.toString(36)}`,
    };
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw explainFileError(error, dataDirectory);
    throw new EmbeddedPostgresError(
      'password-missing',
      `The password of the embedded PostgreSQL is missing (${join(dataDirectory, PASSWORD_FILE)}); bring that file back, or move the folder ${dataDirectory} away to begin with an empty database.`,
      { cause: error },
    );
  }
}
