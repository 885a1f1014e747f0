import { isAbsolute } from 'node:path';
import pg from 'pg';
import { openCluster } from './cluster.ts';
import { connectionUrl } from './connect.ts';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.ts';
import { holdLease } from './hold-lease.ts';
import { initialiseData } from './initialise-data.ts';
import { findPlace } from './place.ts';
import { DATABASE, LEASE_DATABASE } from './server-settings.ts';

export type EmbeddedPostgres = {
  /** Of the database `sheaf`; with the password in it. */
  url: string;
  dataDirectory: string;
  /** Close your own connections first. Stops the server when nobody else uses it, and then returns when it is gone. Safe twice. */
  stop(): Promise<void>;
};

/**
 * A real PostgreSQL in a folder, shared by all who ask for the same home at the same time, and stopped with the last of them.
 * Its parts: place (where), programs, initialise-data (once), hold-lease (who uses it), start-server and stop-server, and
 * keep-server (a process of its own, for when the last user is killed).
 */
export async function startEmbeddedPostgres(options: {
  /** SHEAF_HOME, an absolute path; made when it is not there. */
  home: string;
  onProgress?: (text: string) => void;
}): Promise<EmbeddedPostgres> {
  const { home, onProgress = () => undefined } = options;
  if (!isAbsolute(home)) {
    throw new EmbeddedPostgresError('home-unusable', `SHEAF_HOME must be an absolute path, and "${home}" is not.`);
  }
  const place = await findPlace(home);
  await initialiseData(place, onProgress);
  const cluster = await openCluster(place.dataDirectory);
  const hold = await holdLease({ place, cluster, onProgress });
  try {
    await createDatabase(connectionUrl(cluster, hold.port, LEASE_DATABASE));
  } catch (error) {
    await hold.release().catch(() => undefined);
    throw error;
  }
  return {
    url: connectionUrl(cluster, hold.port, DATABASE),
    dataDirectory: cluster.dataDirectory,
    stop: hold.release,
  };
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } catch (error) {
    // Another process was faster; which of the two errors it is depends on by how much.
    if (!['42P04', '23505'].includes(errorCode(error) ?? '')) throw error;
  } finally {
    await client.end();
  }
}
