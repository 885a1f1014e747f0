import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Servers, watchMemory } from '../../bench/peaks.ts';
import { startPostgres } from '../../bench/postgres.ts';
import { hasProc } from '../../bench/processes.ts';

const MEGABYTE = 1_000_000;
const SOON = { timeout: 20_000 };

/** A program that holds so many bytes, and a program in it that holds as many. */
async function startFamily(bytes: number): Promise<number> {
  const hold = `globalThis.held = Buffer.alloc(${bytes}, 1); console.log('held'); setInterval(() => {}, 1000);`;
  const inner = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(hold)}], { stdio: 'inherit' });`;
  const child = spawn(process.execPath, ['-e', `${inner} ${hold} process.on('disconnect', () => process.exit());`], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    detached: true,
  });
  onTestFinished(() => void process.kill(-(child.pid ?? 0), 'SIGKILL'));
  for (let lines = ''; lines.split('held').length < 3; ) lines += await once(child.stdout ?? child, 'data');
  return child.pid ?? 0;
}

async function startServers(): Promise<{ servers: Servers; url: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sheaf-bench-test-'));
  await chmod(folder, 0o755);
  const postgres = await startPostgres(join(folder, 'home'));
  onTestFinished(async () => {
    await postgres[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const upstream = { url: '', pid: process.pid, serve: async () => undefined, [Symbol.asyncDispose]: async () => {} };
  return { servers: { postgres, redis: null, upstream }, url: await postgres.fresh('bench') };
}

describe.runIf(hasProc)('the memory of a harvest', () => {
  it('is told for all processes of a part together, and for the largest of each role by itself', async () => {
    const { servers, url } = await startServers();
    const program = await startFamily(60 * MEGABYTE);
    const client = new pg.Client({
      connectionString: url,
      application_name: 'sheaf-2f1a7c3e-9d40-4b6a-8a51-0c9e6a1f2b3d',
    });
    await client.connect();
    onTestFinished(() => client.end());
    const watch = watchMemory(servers);
    watch.start(program);
    onTestFinished(watch.stop);
    const own = (part: string, role: string) =>
      watch.peaks().roles.find((each) => each.part === part && each.role === role)?.ownBytes ?? 0;

    await expect.poll(() => own('postgres', 'client sheaf'), SOON).toBeGreaterThan(0);
    expect(own('postgres', 'client sheaf')).toBeLessThan(20 * MEGABYTE);
    await client.query(`set work_mem = '200MB'; set max_parallel_workers_per_gather = 0`);
    const sorting = `select count(*) from (select n from generate_series(1, 1000000) n order by n % 1000, n offset 0) s`;
    await expect
      .poll(async () => {
        await client.query(sorting);
        return own('postgres', 'client sheaf');
      }, SOON)
      .toBeGreaterThan(40 * MEGABYTE);

    expect(own('program', 'node')).toBeGreaterThan(60 * MEGABYTE);
    expect(own('program', 'node')).toBeLessThan(120 * MEGABYTE);
    const { peakBytes, roles, sharedBytes } = watch.peaks();
    expect(peakBytes.program).toBeGreaterThan(120 * MEGABYTE);
    expect(peakBytes.postgres).toBeGreaterThan(own('postgres', 'client sheaf') + sharedBytes);
    expect(sharedBytes).toBeGreaterThan(1 * MEGABYTE);
    expect(roles.map(({ role }) => role)).toEqual(expect.arrayContaining(['checkpointer', 'io worker', 'postgres']));
  });
});
