import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import type { Cluster } from './cluster.ts';
import { connect } from './connect.ts';
import { findServer, type RunningServer } from './find-server.ts';
import { readHolders, tryKeeping } from './lease-locks.ts';
import { pause } from './pause.ts';
import { limitLog } from './server-log.ts';
import { stopIfUnused } from './stop-server.ts';

const POLL_MS = 1_000;
/** The command that starts a server starts its keeper first. */
const COMING_MS = 15_000;
/** How long the first user of a server that takes connections may need for its lease. */
const GRACE_MS = 3_000;
/** File times are coarser than the clock. */
const CLOCK_SLACK_MS = 20;

/**
 * Stops a server that nobody uses any more, also when its last user was killed.
 *
 *   looking ── server takes connections, no other keeper ──> watching ── unused for two polls ──> stops it: done
 *      ^  │                                                     │
 *      │  └── no server (any more), or another keeper: done     │
 *      └───────────────────── connection lost ──────────────────┘
 *
 * As long as a server's process is alive it keeps looking, however long recovery takes. `servesSince` (ms) tells a server that
 * has come and gone from one that has still to come: only a server started after that moment is the one it was started for;
 * 0 means that the server was there already, and had a user.
 */
export async function keepServer(cluster: Cluster, servesSince: number): Promise<void> {
  const giveUpAt = Date.now() + COMING_MS;
  for (;;) {
    const found = await findServer(cluster);
    if (found.kind === 'none' && (Date.now() > giveUpAt || (await hasStarted(cluster, servesSince)))) return;
    const client = found.kind === 'running' ? await connectOrNot(cluster, found.server) : undefined;
    const outcome = client === undefined ? 'lost' : await watchServer(cluster, client, servesSince > 0);
    await client?.end().catch(() => undefined);
    if (outcome === 'done') return;
    await pause(100);
  }
}

/** A server writes `postmaster.opts` whenever it starts, and leaves it behind. Without its folder it will never start. */
async function hasStarted(cluster: Cluster, since: number): Promise<boolean> {
  if (since === 0 || !existsSync(cluster.dataDirectory)) return true;
  const startedAt = await stat(join(cluster.dataDirectory, 'postmaster.opts')).then(
    (facts) => facts.mtimeMs,
    () => 0,
  );
  return startedAt >= since - CLOCK_SLACK_MS;
}

async function connectOrNot(cluster: Cluster, server: RunningServer): Promise<Client | undefined> {
  if (server.status !== 'ready') return undefined;
  return connect(cluster, server.port, 'sheaf-keeper').then(
    (connection) => connection.client,
    () => undefined,
  );
}

async function watchServer(cluster: Cluster, client: Client, isNew: boolean): Promise<'done' | 'lost'> {
  const lost = new AbortController();
  client.once('end', () => lost.abort());
  try {
    if (!(await tryKeeping(client))) return 'done';
    await awaitUnused(cluster, client, { lost: lost.signal, graceMs: isNew ? GRACE_MS : 0 });
  } catch {
    return 'lost';
  }
  const outcome = await stopIfUnused(cluster, client);
  return outcome === 'stopped' ? 'done' : 'lost';
}

async function awaitUnused(
  cluster: Cluster,
  client: Client,
  { lost, graceMs }: { lost: AbortSignal; graceMs: number },
): Promise<void> {
  const graceEndsAt = Date.now() + graceMs;
  let hasHadUsers = false;
  let unusedPolls = 0;
  for (;;) {
    const { users } = await readHolders(client);
    hasHadUsers ||= users > 0;
    const isUnused = users === 0 && (hasHadUsers || Date.now() >= graceEndsAt);
    unusedPolls = isUnused ? unusedPolls + 1 : 0;
    if (unusedPolls === 2) return;
    await limitLog(cluster);
    await pause(POLL_MS, { signal: lost });
  }
}
