import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toFileError } from './exporter.ts';
import { isTemporaryName, StagedFile } from './staged-file.ts';

/** Creates the directory, with those above it. */
export async function createDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw toFileError(error, 'create the directory', directory);
  }
}

/**
 * Creates the directory and proves, by writing and removing a small file, that exports can be written there. Throws `ExportError`. To be asked before a harvest
 * of hours, not after it.
 */
export async function checkWritable(directory: string): Promise<void> {
  await createDirectory(directory);
  const probe = await StagedFile.open(directory, 'probe');
  try {
    // A full disk may still have room for a name: only bytes prove it.
    await probe.write('x'.repeat(4096));
    await probe.seal();
  } finally {
    await probe.discard();
  }
}

/**
 * Removes the temporaries that a killed process left in the directory, and returns how many. It cannot tell them from those of a process that is still
 * writing: only for whoever alone may export into that directory now. A directory that does not exist has none.
 */
export async function removeLeftovers(directory: string): Promise<number> {
  try {
    const names = (await readdir(directory)).filter(isTemporaryName);
    await Promise.all(names.map((name) => rm(join(directory, name), { force: true })));
    return names.length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw toFileError(error, 'remove leftovers in', directory);
  }
}

/** Removes those of the files that are there. */
export async function removeFiles(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(directory, name);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw toFileError(error, 'remove the file of an earlier export', path);
    }
  }
}

/** Makes names that were given or removed in the directory survive a power failure. */
export async function syncDirectory(directory: string): Promise<void> {
  // Windows cannot open a directory as a file; NTFS journals its names by itself.
  if (process.platform === 'win32') return;
  try {
    const handle = await open(directory, 'r');
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    throw toFileError(error, 'sync the directory', directory);
  }
}
