import type { Client } from 'pg';
import type { Cluster } from './cluster.ts';
import { type Connection, connect } from './connect.ts';
import { EmbeddedPostgresError, errorCode } from './embedded-postgres-error.ts';
import { findServer, type RunningServer } from './find-server.ts';
import { readHolders, releaseLease, tryLease } from './lease-locks.ts';
import { pause } from './pause.ts';
import type { Place } from './place.ts';
import { spawnKeeper } from './spawn-keeper.ts';
import { startServer, startTimeout } from './start-server.ts';
import { leaveServer } from './stop-server.ts';

/**
 * One user's hold on the server of a home.
 *
 *   seeking ── lease taken ──> holding ── release() ──> leaving ── last user: server stopped; others there: it stays ──> released
 *      ^                          │
 *      └──── connection lost ─────┘
 *
 * Seeking goes round until it has a lease: no server → start one; starting or stopping → wait; running → connect and take the
 * lease, which is refused while somebody is about to stop the server, and worthless when it is stopping already.
 *
 * A connection is lost when the server, or one of its processes, is killed. Then the hold seeks again, asking for the same
 * port, so that the URL handed out stays good and the command's pool finds the server again. It gives up only on release().
 */
export type Hold = { port: number; release(): Promise<void> };

export type Holder = { place: Place; cluster: Cluster; onProgress: (text: string) => void };

type Lease = Connection & { port: number };

/** How long a server may run without letting us in; recovery after a crash does not count. */
const PATIENCE_MS = 60_000;
const KEEPER_CHECK_MS = 10_000;

export async function holdLease(holder: Holder): Promise<Hold> {
  const leaving = new AbortController();
  const first = await seekLease(holder, { signal: leaving.signal });
  let current: Lease | undefined = first;
  let restoring: Promise<void> = Promise.resolve();

  const restore = async () => {
    holder.onProgress('The connection to the embedded PostgreSQL was lost; looking for it again');
    current = await seekUntilFound(holder, { port: first.port, signal: leaving.signal });
    if (current !== undefined) watch(current);
  };
  const watch = (lease: Lease) => {
    const check = setInterval(() => void ensureKeeper(holder.cluster, lease.client), KEEPER_CHECK_MS);
    check.unref();
    // A command which forgets to stop ends all the same, and the keeper then stops the server.
    lease.socket.unref();
    lease.client.once('end', () => {
      clearInterval(check);
      if (leaving.signal.aborted) return;
      current = undefined;
      restoring = restore();
    });
  };
  const leave = async () => {
    leaving.abort();
    await restoring;
    await release(holder.cluster, current);
  };

  watch(first);
  let left: Promise<void> | undefined;
  return {
    port: first.port,
    release: () => {
      left ??= leave();
      return left;
    },
  };
}

async function release(cluster: Cluster, lease: Lease | undefined): Promise<void> {
  lease?.socket.ref();
  const isReleased = lease !== undefined && (await releaseLease(lease.client).catch(() => false));
  if (!isReleased) await lease?.client.end().catch(() => undefined);
  // Without a lease too: while it was being sought, a server may have been started for it.
  await leaveServer(cluster, isReleased ? lease.client : undefined);
}

type Seeking = { port?: number; signal: AbortSignal };

/** Undefined: the hold was released meanwhile. */
async function seekUntilFound(holder: Holder, seeking: Seeking): Promise<Lease | undefined> {
  while (!seeking.signal.aborted) {
    try {
      return await seekLease(holder, seeking);
    } catch (error) {
      if (!seeking.signal.aborted) holder.onProgress(error instanceof Error ? error.message : String(error));
      await pause(1_000, { ref: false, signal: seeking.signal });
    }
  }
  return undefined;
}

async function seekLease(holder: Holder, seeking: Seeking): Promise<Lease> {
  const { place, cluster } = holder;
  let patientUntil = Date.now() + PATIENCE_MS;
  let hasSpawnedKeeper = false;
  while (!seeking.signal.aborted && Date.now() < patientUntil) {
    const found = await findServer(cluster);
    if (found.kind === 'none') {
      holder.onProgress('Starting PostgreSQL');
      await startServer(place, cluster, seeking.port);
      hasSpawnedKeeper = true;
      patientUntil = Date.now() + PATIENCE_MS;
      continue;
    }
    const lease = found.kind === 'running' ? await takeLease(cluster, found.server) : undefined;
    if (lease !== undefined && !hasSpawnedKeeper) await ensureKeeper(cluster, lease.client);
    if (lease !== undefined) return lease;
    if (found.kind === 'running' && found.server.status === 'starting') patientUntil = Date.now() + PATIENCE_MS;
    await pause(20);
  }
  throw startTimeout(cluster);
}

async function takeLease(cluster: Cluster, server: RunningServer): Promise<Lease | undefined> {
  if (server.status !== 'ready') return undefined;
  const connection = await connect(cluster, server.port, 'sheaf-lease').catch((error: unknown) => {
    if (errorCode(error) === '28P01') throw wrongPassword(cluster);
    return undefined;
  });
  if (connection === undefined) return undefined;
  const { client } = connection;
  try {
    if ((await tryLease(client)) && (await isStillReady(cluster, server))) {
      return { ...connection, port: server.port };
    }
  } catch {
    // The server went away meanwhile: look again.
  }
  await client.end().catch(() => undefined);
  return undefined;
}

async function isStillReady(cluster: Cluster, server: RunningServer): Promise<boolean> {
  const found = await findServer(cluster);
  return found.kind === 'running' && found.server.process.id === server.process.id && found.server.status === 'ready';
}

/** A keeper too many finds that it is one, and ends. */
async function ensureKeeper(cluster: Cluster, client: Client): Promise<void> {
  const holders = await readHolders(client).catch(() => undefined);
  if (holders?.keepers === 0) spawnKeeper(cluster, 'running server');
}

function wrongPassword(cluster: Cluster): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'password-missing',
    `The embedded PostgreSQL in ${cluster.dataDirectory} refuses the password in its sheaf.password; restore that file, or set the role's password to what it says.`,
  );
}
