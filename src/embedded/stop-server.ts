import type { Client } from 'pg';
import type { Cluster } from './cluster.ts';
import { connect } from './connect.ts';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.ts';
import { findServer, type RunningServer } from './find-server.ts';
import { readHolders, tryToBeLast } from './lease-locks.ts';
import { pause } from './pause.ts';
import { type RunningProcess, readProcess } from './process-table.ts';

/** A fast shutdown writes what is in memory to the disk, which can take a while on a slow one. */
const STOP_MS = 120_000;

export type StopOutcome = 'stopped' | 'in use' | 'lost';

/**
 * Stops the server when nobody uses it. `client` must not hold the lease itself. `lost`: the connection broke, be it because
 * somebody else is stopping the server, or because it crashed.
 */
export async function stopIfUnused(cluster: Cluster, client: Client): Promise<StopOutcome> {
  let server: RunningProcess | undefined;
  try {
    server = await findServerOf(client);
    while (!(await tryToBeLast(client))) {
      if ((await readHolders(client)).users > 0) return 'in use';
      // Somebody else is stopping it, or just looked whether to.
      await pause(20);
    }
  } catch {
    return 'lost';
  }
  if (server !== undefined) await stopServer(cluster, server);
  return 'stopped';
}

/** By the way of the process table, not of the pid file: that may be gone, when somebody deleted the folder under the server. */
async function findServerOf(client: Client): Promise<RunningProcess | undefined> {
  const { rows } = await client.query<{ id: number }>('select pg_backend_pid() as id');
  const own = await readProcess(rows[0]?.id ?? 0);
  return own === undefined ? undefined : readProcess(own.parentId);
}

/** As `stopIfUnused`, over as many connections as it takes: returns when the server is gone or known to have users. */
export async function leaveServer(cluster: Cluster, client: Client | undefined): Promise<void> {
  const deadline = Date.now() + STOP_MS;
  let connection = client;
  while (Date.now() < deadline) {
    const outcome = connection === undefined ? 'lost' : await stopIfUnused(cluster, connection);
    await connection?.end().catch(() => undefined);
    if (outcome !== 'lost') return;
    const found = await findServer(cluster);
    if (found.kind === 'none') return;
    await pause(20);
    connection = found.kind === 'running' ? await connectOrNot(cluster, found.server) : undefined;
  }
  throw stopTimeout(cluster);
}

async function connectOrNot(cluster: Cluster, server: RunningServer): Promise<Client | undefined> {
  if (server.status === 'stopping') return undefined;
  return connect(cluster, server.port, 'sheaf-leaving').then(
    (connection) => connection.client,
    () => undefined,
  );
}

/** A fast shutdown; returns when the process is gone, and with it its pid file. */
async function stopServer(cluster: Cluster, server: RunningProcess): Promise<void> {
  const { id, startedAt } = server;
  try {
    process.kill(id, 'SIGINT');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
  const deadline = Date.now() + STOP_MS;
  while ((await readProcess(id))?.startedAt === startedAt) {
    if (Date.now() > deadline) throw stopTimeout(cluster);
    await pause(10);
  }
}

function stopTimeout(cluster: Cluster): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'stop-timeout',
    `The embedded PostgreSQL in ${cluster.dataDirectory} did not stop within ${STOP_MS / 1000} s; ${cluster.logFile} says why, and it goes on by itself.`,
  );
}
