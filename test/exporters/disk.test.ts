import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkWritable, removeLeftovers } from '../../src/exporters/export-directory.ts';
import { writeExports } from '../../src/exporters/write-export.ts';
import type { ChildAnswer, ChildOrder } from './export-child.ts';
import { exportRequest, filesIn, temporaryDirectory } from './setup.ts';

const script = fileURLToPath(new URL('./export-child.ts', import.meta.url));
const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

function childArguments(order: ChildOrder): string[] {
  return ['--max-old-space-size=64', script, JSON.stringify(order)];
}

async function firstAnswer(child: ChildProcess): Promise<ChildAnswer> {
  let output = '';
  for await (const chunk of child.stdout ?? []) {
    output += String(chunk);
    if (output.includes('\n')) return JSON.parse(output) as ChildAnswer;
  }
  throw new Error(`The child said nothing: ${output}`);
}

/** A shell line in namespaces of its own, where a small file system can be mounted that vanishes with the process. */
function inNamespace(line: string, rest: readonly string[]): string {
  return execFileSync('unshare', ['-rm', 'sh', '-ec', line, 'sh', ...rest], { encoding: 'utf8' });
}

function canMount(): boolean {
  try {
    inNamespace('mount -t tmpfs none /mnt', []);
    return true;
  } catch {
    return false;
  }
}

describe('an export that the disk stops', () => {
  it.skipIf(!canMount())('reports a full disk, and leaves nothing on it', async () => {
    const directory = await temporaryDirectory();
    const line = 'mount -t tmpfs -o size=2m none "$1"; shift; "$@"; echo "left: $(ls -A "$0")"';
    const order: ChildOrder = { directory, megabytes: 10, formats: ['ndjson', 'csv'] };
    const program = line.replace('"$0"', `"${directory}"`);
    const [answer, left] = inNamespace(program, [directory, process.execPath, ...childArguments(order)])
      .trimEnd()
      .split('\n');
    const { error } = JSON.parse(answer ?? '') as ChildAnswer;
    expect(error).toMatchObject({ code: 'disk-full', cause: 'ENOSPC' });
    expect(error?.path).toMatch(/stor\.(ndjson|csv)$/);
    expect(error?.message).toContain('Free some space');
    expect(left).toBe('left:');
  });

  it('reports a directory that this user may not write to', async () => {
    const directory = await temporaryDirectory();
    await chmod(directory, 0o555);
    const order: ChildOrder = { directory, megabytes: 1, formats: ['ndjson'] };
    const identity = isRoot ? { uid: nobody, gid: nobody } : {};
    const child = spawn(process.execPath, childArguments(order), { stdio: ['ignore', 'pipe', 'inherit'], ...identity });
    const { error } = await firstAnswer(child);
    expect(error).toMatchObject({ code: 'not-permitted', cause: 'EACCES', path: join(directory, 'stor.ndjson') });
    expect(await filesIn(directory)).toEqual([]);
  });

  it('reports a file where the directory should be', async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'out'), 'x');
    for (const path of [join(directory, 'out'), join(directory, 'out', 'deeper')]) {
      const expected = expect.objectContaining({ name: 'ExportError', code: 'not-a-directory', path });
      await expect(writeExports(await exportRequest([], { directory: path }))).rejects.toEqual(expected);
      await expect(checkWritable(path)).rejects.toEqual(expected);
    }
  });
});

describe('a large export', () => {
  // The process has a heap of 64 MB; the rest is Node itself, young objects and buffers, and stays the same for any size (218 MB at 300 MB and at 1 GB).
  it('of 300 MB in two formats takes a fraction of that in memory', async () => {
    const order: ChildOrder = { directory: await temporaryDirectory(), megabytes: 300, formats: ['ndjson', 'csv'] };
    const child = spawn(process.execPath, childArguments(order), { stdio: ['ignore', 'pipe', 'inherit'] });
    const { bytes, peakMegabytes } = await firstAnswer(child);
    expect(bytes).toBeGreaterThan(570e6);
    expect(peakMegabytes).toBeLessThan(280);
  });
});

describe('a killed process', () => {
  it('publishes nothing, and its leftovers can be removed without touching anything else', async () => {
    const directory = await temporaryDirectory();
    const others = ['.gitkeep', '.oda-Sag.tmp', 'older.ndjson'];
    for (const name of others) await writeFile(join(directory, name), 'x');
    const order: ChildOrder = { directory, megabytes: 20, formats: ['ndjson', 'csv'], pauseAt: 5 };
    const child = spawn(process.execPath, childArguments(order), { stdio: ['ignore', 'pipe', 'inherit'] });
    expect(await firstAnswer(child)).toEqual({ paused: true });
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    const left = (await filesIn(directory)).filter((name) => !others.includes(name));
    expect(left).toEqual([
      expect.stringMatching(/^\.stor\.csv\..*\.sheaf-tmp$/),
      expect.stringMatching(/^\.stor\.ndjson\..*\.sheaf-tmp$/),
    ]);
    expect(await removeLeftovers(directory)).toBe(2);
    expect(await filesIn(directory)).toEqual(others.sort());
  });
});

describe('looking after a directory', () => {
  it('creates it, proves it can be written to, and leaves no trace', async () => {
    const directory = join(await temporaryDirectory(), 'a', 'b');
    await checkWritable(directory);
    await checkWritable(directory);
    expect(await filesIn(directory)).toEqual([]);
  });

  it('finds no leftovers where there is no directory', async () => {
    const directory = await temporaryDirectory();
    expect(await removeLeftovers(join(directory, 'none'))).toBe(0);
    await mkdir(join(directory, 'empty'));
    expect(await removeLeftovers(join(directory, 'empty'))).toBe(0);
  });
});
