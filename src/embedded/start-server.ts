import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { diskFull, EmbeddedPostgresError } from './embedded-postgres-error.ts';
import { findServer } from './find-server.ts';
import { pause } from './pause.ts';
import type { Place } from './place.ts';
import { listProcesses } from './process-table.ts';
import { findPrograms, type Programs } from './programs.ts';
import { openLog, readLog } from './server-log.ts';
import { CHILD_ENVIRONMENT, serverArguments } from './server-settings.ts';
import { spawnKeeper } from './spawn-keeper.ts';

const ATTEMPTS = 20;
/** Recovery after a crash replays up to max_wal_size; nobody should have to wait longer without learning why. */
const READY_MS = 600_000;

/** `rival`: another process started the server first. PostgreSQL itself sees to it that there is only one. */
type Launch = 'ready' | 'rival' | 'port taken' | 'orphans';

/**
 * Starts a server, or leaves it to somebody who was faster; either way one is there when this returns.
 * The keeper comes first: killed at any point after that, this process leaves nothing running for long.
 */
export async function startServer(place: Place, cluster: Cluster, preferredPort?: number): Promise<void> {
  const programs = await findPrograms(place);
  await refuseOtherVersion(cluster, programs);
  const keeper = spawnKeeper(cluster, 'coming server');
  try {
    await tryPorts({ place, cluster, programs }, preferredPort);
  } catch (error) {
    keeper.kill();
    throw error;
  }
}

type Setting = { place: Place; cluster: Cluster; programs: Programs };

async function tryPorts(setting: Setting, preferredPort: number | undefined): Promise<void> {
  const { cluster } = setting;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const port = attempt === 1 && preferredPort !== undefined ? preferredPort : await findFreePort();
    const launch = await launchServer(setting, port);
    if (launch === 'ready' || launch === 'rival') return;
    // Processes whose server was killed notice it and end, as a rule at once; those that are busy have to be told.
    if (launch === 'orphans') await pause(100);
    if (launch === 'orphans' && attempt > 3) await endOrphans(cluster);
  }
  throw new EmbeddedPostgresError(
    'start-failed',
    `PostgreSQL in ${cluster.dataDirectory} did not start in ${ATTEMPTS} attempts, for want of a free port or because processes of an earlier server linger; ${cluster.logFile} says more.`,
  );
}

async function refuseOtherVersion(cluster: Cluster, programs: Programs): Promise<void> {
  const version = (await readFile(join(cluster.dataDirectory, 'PG_VERSION'), 'utf8')).trim();
  if (version === programs.majorVersion) return;
  throw new EmbeddedPostgresError(
    'data-version',
    `The data in ${cluster.dataDirectory} were made by PostgreSQL ${version}, and this Sheaf brings PostgreSQL ${programs.majorVersion}; use the Sheaf that made them to export what you need, then move the folder away and harvest anew.`,
  );
}

async function launchServer(setting: Setting, port: number): Promise<Launch> {
  const { place, cluster, programs } = setting;
  const log = await openLog(cluster, place.account);
  const args = serverArguments({ dataDirectory: cluster.dataDirectory, port, marker: cluster.marker });
  // Detached: in a session of its own, so that Ctrl-C in the terminal, and the end of this process, pass it by.
  const child = spawn(programs.postgres, args, {
    ...place.account,
    cwd: '/',
    env: CHILD_ENVIRONMENT,
    detached: true,
    stdio: ['ignore', log.file.fd, log.file.fd],
  });
  child.unref();
  // Listen before anything is awaited: a server that finds a rival ends within milliseconds.
  const ending = observeEnd(child);
  await log.file.close();
  if (await isReady(child, ending, cluster)) return 'ready';
  return judgeFailure(cluster, ending.error?.message ?? (await readLog(cluster, log.size, child.pid ?? 0)));
}

type Ending = { hasEnded: boolean; error?: Error };

function observeEnd(child: ChildProcess): Ending {
  const ending: Ending = { hasEnded: false };
  child.once('error', (error) => Object.assign(ending, { hasEnded: true, error }));
  child.once('exit', () => Object.assign(ending, { hasEnded: true }));
  return ending;
}

/** Waits until the server takes connections, or has ended. */
async function isReady(child: ChildProcess, ending: Ending, cluster: Cluster): Promise<boolean> {
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline) {
    const found = await findServer(cluster);
    if (found.kind === 'running' && found.server.process.id === child.pid && found.server.status === 'ready')
      return true;
    if (ending.hasEnded) return false;
    await pause(10);
  }
  throw startTimeout(cluster);
}

function judgeFailure(cluster: Cluster, said: string): Launch {
  if (/could not bind|could not create any TCP\/IP sockets/.test(said)) return 'port taken';
  if (/lock file .* (already exists|is empty)/.test(said)) return 'rival';
  if (said.includes('pre-existing shared memory block')) return 'orphans';
  if (said.includes('No space left on device')) throw diskFull(cluster.dataDirectory);
  const line = said.split('\n').find((text) => /FATAL|PANIC/.test(text)) ?? said.slice(-300);
  throw new EmbeddedPostgresError(
    'start-failed',
    `PostgreSQL in ${cluster.dataDirectory} did not start: ${line.replace(/^.*?(FATAL|PANIC):\s*/, '')}; ${cluster.logFile} says more.`,
  );
}

export function startTimeout(cluster: Cluster): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'start-timeout',
    `The server on ${cluster.dataDirectory} runs but takes no connections; ${cluster.logFile} says why: wait until it is done, or stop it.`,
  );
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Only processes of this server whose parent is no longer one: those of a server that another process just started stay. */
async function endOrphans(cluster: Cluster): Promise<void> {
  const processes = await listProcesses();
  const servers = processes.filter((found) => found.commandLine.includes(`cluster_name=${cluster.marker} `));
  for (const found of processes) {
    if (!found.commandLine.startsWith(`postgres: ${cluster.marker}: `)) continue;
    if (servers.some((server) => server.id === found.parentId)) continue;
    try {
      process.kill(found.id, 'SIGQUIT');
    } catch {
      // It ended by itself.
    }
  }
}
