import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from './embedded-postgres-error.ts';
import { pause } from './pause.ts';
import { readProcess } from './process-table.ts';

/**
 * Makes a folder whole or not at all: it is filled as a draft beside its target and renamed into place.
 *
 * Several processes may ask at once. The draft's name says when it was begun, and by which process; all but the oldest live
 * draft give way and wait. That only saves work: what decides is the rename, which fails for everybody but the first.
 * Drafts whose process is gone are removed. The start time in the name tells a live process from a later one with its id
 * (in a container the ids are nearly always the same).
 *
 * A draft may have companions: files beside it whose names begin with the draft's; they are cleaned up with it.
 */
export async function makeFolder(target: string, fill: (draft: string) => Promise<void>): Promise<void> {
  while (!(await isFilled(target))) {
    if ((await liveDrafts(target)).length === 0 && (await tryToMake(target, fill))) return;
    await pause(50);
  }
}

async function tryToMake(target: string, fill: (draft: string) => Promise<void>): Promise<boolean> {
  const draft = await newDraftName(target);
  try {
    await mkdir(draft, { mode: 0o700 });
    const oldest = (await liveDrafts(target)).sort()[0];
    if (oldest !== undefined && oldest < basename(draft)) return false;
    await fill(draft);
    await syncFolder(draft);
    await rename(draft, target);
    await syncFolder(dirname(target));
    return true;
  } catch (error) {
    if (await isFilled(target)) return true;
    throw error;
  } finally {
    await removeDraft(draft);
  }
}

async function newDraftName(target: string): Promise<string> {
  const startedAt = (await readProcess(process.pid))?.startedAt ?? '';
  const maker = `${process.pid}-${startedAt.replace(/\W/g, '')}`;
  return `${target}.making-${Date.now()}-${maker}-${randomBytes(4).toString('hex')}`;
}

async function liveDrafts(target: string): Promise<string[]> {
  const live: string[] = [];
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(`${basename(target)}.making-`)) continue;
    if (await isMakerAlive(name)) live.push(name);
    else await rm(join(dirname(target), name), { recursive: true, force: true }).catch(() => undefined);
  }
  return live;
}

async function isMakerAlive(name: string): Promise<boolean> {
  const [, id, startedAt] = /\.making-\d+-(\d+)-(\w*)-/.exec(name) ?? [];
  const maker = await readProcess(Number(id));
  return maker !== undefined && maker.startedAt.replace(/\W/g, '') === startedAt;
}

async function removeDraft(draft: string): Promise<void> {
  for (const name of await readdir(dirname(draft))) {
    if (!name.startsWith(basename(draft))) continue;
    await rm(join(dirname(draft), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isFilled(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length > 0;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    // A folder that we may not list is there all the same.
    if (errorCode(error) === 'EACCES') return (await stat(folder)).isDirectory();
    throw error;
  }
}

/** A rename is lasting only once the folder that holds the names is on the disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
