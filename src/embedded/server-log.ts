import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Account } from './account.ts';
import type { Cluster } from './cluster.ts';
import { explainFileError } from './embedded-postgres-error.ts';

const MAX_BYTES = 8 * 1024 * 1024;

/** Root, writing into another user's folder, must not be led elsewhere by a link. */
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;

/** The server appends, so the file can be cut to nothing under its hands. Done at a start, and by the keeper now and then. */
export async function limitLog(cluster: Cluster, maxBytes = MAX_BYTES): Promise<void> {
  const file = await open(cluster.logFile, O_WRONLY | O_NOFOLLOW).catch(() => undefined);
  try {
    if (file !== undefined && (await file.stat()).size > maxBytes) await file.truncate(0);
  } finally {
    await file?.close();
  }
}

export async function openLog(cluster: Cluster, account: Account | undefined) {
  await limitLog(cluster);
  try {
    const file = await open(cluster.logFile, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    if (account !== undefined) await file.chown(account.uid, account.gid);
    return { file, size: (await file.stat()).size };
  } catch (error) {
    throw explainFileError(error, cluster.logFile);
  }
}

/** What one process has written since; several may have tried to start at the same time. */
export async function readLog(cluster: Cluster, offset: number, processId: number): Promise<string> {
  const file = await open(cluster.logFile, 'r');
  try {
    const { size } = await file.stat();
    const begin = Math.min(Math.max(offset, size - 64 * 1024), size);
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(size - begin), position: begin });
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    const own = lines.filter((line) => line.includes(`[${processId}]`));
    // Before it knows its log line prefix, a server writes without one.
    return (own.length > 0 ? own : lines).join('\n').trim();
  } finally {
    await file.close();
  }
}
