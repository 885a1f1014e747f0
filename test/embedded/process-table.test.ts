import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { listFromPs, listProcesses, readFromPs, readProcess } from '../../src/embedded/process-table.ts';

it('reads this process alike from /proc and from ps', async () => {
  for (const found of [await readProcess(process.pid), await readFromPs(process.pid)]) {
    expect(found).toMatchObject({ id: process.pid, parentId: process.ppid });
    expect(found?.commandLine).toContain('node');
    expect(found?.startedAt).not.toBe('');
  }
});

it('lists this process', async () => {
  for (const list of [await listProcesses(), await listFromPs()]) {
    expect(list.map((found) => found.id)).toContain(process.pid);
  }
});

it('finds no process that has ended', async () => {
  const child = spawn('true', { stdio: 'ignore' });
  await once(child, 'exit');
  expect(await readProcess(child.pid ?? 0)).toBe(undefined);
  expect(await readFromPs(child.pid ?? 0)).toBe(undefined);
});
