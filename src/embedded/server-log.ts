import { open, stat, truncate } from 'node:fs/promises';
import type { Account } from './account.ts';
import type { Cluster } from './cluster.ts';

const MAX_BYTES = 8 * 1024 * 1024;

/** The server appends, so the file can be cut to nothing under its hands. Done at a start, and by the keeper now and then. */
export async function limitLog(cluster: Cluster, maxBytes = MAX_BYTES): Promise<void> {
  const size = await stat(cluster.logFile).then(
    (facts) => facts.size,
    () => 0,
  );
  if (size > maxBytes) await truncate(cluster.logFile, 0).catch(() => undefined);
}

export async function openLog(cluster: Cluster, account: Account | undefined) {
  await limitLog(cluster);
  const file = await open(cluster.logFile, 'a', 0o600);
  if (account !== undefined) await file.chown(account.uid, account.gid);
  return { file, size: (await file.stat()).size };
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
