import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openCluster } from '../../src/embedded/cluster.ts';
import { initialiseData } from '../../src/embedded/initialise-data.ts';
import { findPlace } from '../../src/embedded/place.ts';
import { findPrograms } from '../../src/embedded/programs.ts';
import { CHILD_ENVIRONMENT, ROLE, serverArguments } from '../../src/embedded/server-settings.ts';
import { freePort } from '../support/free-port.ts';
import { onExit } from './on-exit.ts';

/** A PostgreSQL of the suite's own, which it may crash. */
export interface PostgresServer {
  /** Of the database `postgres`. */
  readonly url: string;
  /** An immediate shutdown (SIGQUIT: no checkpoint, nothing flushed), and after a while a start with recovery. */
  restartImmediately(downMs: number): Promise<void>;
  stop(): Promise<void>;
}

/**
 * fsync is off: an immediate shutdown loses what PostgreSQL itself had not written yet, and never what the operating
 * system holds, so that nothing but time is lost by it. synchronous_commit keeps its meaning.
 */
const SETTINGS = {
  fsync: 'off',
  shared_buffers: '64MB',
  max_connections: '300',
  autovacuum_naptime: '10min',
  client_connection_check_interval: '1s',
};

export async function startPostgresServer(home: string): Promise<PostgresServer> {
  const place = await findPlace(home);
  await initialiseData(place, () => undefined);
  const cluster = await openCluster(place.dataDirectory);
  const { postgres } = await findPrograms(place);
  const port = await freePort();
  const url = `postgres://${ROLE}:${cluster.password}@127.0.0.1:${port}/postgres`;
  const log = openSync(`${home}/postgres.log`, 'a');
  const extra = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = [...serverArguments({ dataDirectory: cluster.dataDirectory, port, marker: cluster.marker }), ...extra];
  const launch = async (): Promise<ChildProcess> => {
    for (let tries = 1; ; tries++) {
      const child = spawn(postgres, args, {
        ...place.account,
        cwd: '/',
        env: CHILD_ENVIRONMENT,
        stdio: ['ignore', log, log],
      });
      if (await answers(url, child)) return child;
      // Processes of the server before may still be on their way out.
      if (tries > 50) throw new Error(`PostgreSQL does not start; ${home}/postgres.log says why`);
      await sleep(100);
    }
  };
  let server = await launch();
  onExit(() => server.kill('SIGQUIT'));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  };
  return {
    url,
    restartImmediately: async (downMs) => {
      await end('SIGQUIT');
      await sleep(downMs);
      server = await launch();
    },
    stop: () => end('SIGINT'),
  };
}

/** True when the server takes connections, false when it has ended. */
async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      await sleep(20);
    }
  }
  return false;
}
