import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The folder of exports, on a disk that can be filled up. */
export interface SmallDisk {
  readonly folder: string;
  /** `tmpfs`: a file system of its own, really full. `limit`: the processes' own limit on the size of files. */
  readonly kind: 'tmpfs' | 'limit';
  /** From here on nothing more fits. `pids` are the processes that a limit is set on. */
  fill(pids: readonly number[]): Promise<void>;
  free(pids: readonly number[]): Promise<void>;
  unmount(): void;
}

const SIZE = '64m';

/** Mounts a small tmpfs where the user may (root); elsewhere falls back to `prlimit --fsize`, which answers EFBIG. */
export function makeSmallDisk(folder: string): SmallDisk {
  mkdirSync(folder, { recursive: true });
  return mount(folder) ? tmpfs(folder) : limited(folder);
}

function mount(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'none', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function tmpfs(folder: string): SmallDisk {
  const filler = join(folder, 'filler');
  let isMounted = true;
  return {
    folder,
    kind: 'tmpfs',
    fill: () => fillUp(filler),
    free: () => rm(filler, { force: true }),
    unmount: () => {
      if (isMounted) execFileSync('umount', ['--lazy', folder]);
      isMounted = false;
    },
  };
}

async function fillUp(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const size of [1 << 20, 1 << 12]) {
      const block = Buffer.alloc(size);
      for (;;) await file.write(block);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
  // Down to the last page, which a megabyte did not fit into.
  await writeFile(path, Buffer.alloc(1 << 20), { flag: 'a' }).catch(() => undefined);
}

function limited(folder: string): SmallDisk {
  const limit = (pids: readonly number[], size: string): void => {
    for (const pid of pids) {
      try {
        execFileSync('prlimit', ['--pid', String(pid), `--fsize=${size}:`], { stdio: 'ignore' });
      } catch {
        // The process has ended meanwhile.
      }
    }
  };
  return {
    folder,
    kind: 'limit',
    fill: async (pids) => limit(pids, '0'),
    free: async (pids) => limit(pids, 'unlimited'),
    unmount: () => undefined,
  };
}
