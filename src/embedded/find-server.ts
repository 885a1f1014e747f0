import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { errorCode } from './embedded-postgres-error.ts';
import { type RunningProcess, readProcess } from './process-table.ts';

/** `status` is the server's own word: starting, ready, stopping. */
export type RunningServer = { process: RunningProcess; port: number; status: string };

/** `unclear`: somebody is just writing the file; look again. */
export type Finding = { kind: 'running'; server: RunningServer } | { kind: 'none' } | { kind: 'unclear' };

/** A server writes its file at once; one that is still not readable after this time was cut off by a crash of the machine. */
const WRITING_MS = 5_000;

/**
 * Is a server running on this data directory? Its `postmaster.pid` says so; but after a crash the file stays behind, and the
 * process id in it may by then be somebody else's. PostgreSQL gets over a stale file by itself only when no process of the same
 * user has that id, so a file that names an unrelated process is removed here.
 */
export async function findServer(cluster: Cluster): Promise<Finding> {
  const path = join(cluster.dataDirectory, 'postmaster.pid');
  const content = await readIfThere(path);
  if (content === undefined) return { kind: 'none' };
  const [id, , , port, , , , status] = content.split('\n');
  if (!/^-?\d+$/.test(id ?? '') || port === undefined) return await judgeUnreadable(path, content);
  const found = await readProcess(Math.abs(Number(id)));
  if (found !== undefined && belongsTo(cluster, found)) {
    return { kind: 'running', server: { process: found, port: Number(port), status: status?.trim() ?? '' } };
  }
  if (found !== undefined) await removeStale(path, content);
  return { kind: 'none' };
}

/** Errs towards yes: a server that an operator started by hand is recognised by where it works. */
export function belongsTo(cluster: Cluster, found: RunningProcess): boolean {
  if (found.commandLine.includes(`cluster_name=${cluster.marker} `)) return true;
  if (found.workingDirectory !== undefined) return found.workingDirectory === cluster.dataDirectory;
  return found.commandLine.includes(`-D ${cluster.dataDirectory}`);
}

async function judgeUnreadable(path: string, content: string): Promise<Finding> {
  const changedAt = await stat(path).then(
    (facts) => facts.mtimeMs,
    () => Date.now(),
  );
  if (Date.now() - changedAt < WRITING_MS) return { kind: 'unclear' };
  await removeStale(path, content);
  return { kind: 'none' };
}

/**
 * Between reading the file and removing it, another process may have repaired it and started a server. So it is first moved
 * aside; if it turns out to be another file than the one judged, it is put back (a server minds only after a minute).
 */
async function removeStale(path: string, content: string): Promise<void> {
  const aside = `${path}.stale-${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  if ((await readIfThere(aside)) === content) await rm(aside, { force: true });
  else await rename(aside, path);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
