import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, expect, onTestFinished } from 'vitest';
import { listProcesses, type RunningProcess } from '../../src/embedded/process-table.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded/start-embedded-postgres.ts';

export const isRoot = process.getuid?.() === 0;

const run = promisify(execFile);

async function makeHome(name: string, mode: number) {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'sheaf-embedded-')));
  await chmod(root, mode);
  return { root, home: join(root, name) };
}

/**
 * A fresh home, gone after the test; the test fails when a process of its server outlives it. `mode` is of the folder that the
 * home lies in: by default anybody may pass, as in /home or /srv.
 */
export async function setup({ name = 'home', mode = 0o755 } = {}) {
  const { root, home } = await makeHome(name, mode);
  const servers: EmbeddedPostgres[] = [];
  onTestFinished(async () => {
    await Promise.all(servers.map((server) => server.stop().catch(() => undefined)));
    const place = await placeOf(home);
    try {
      await expectNobodyLeft(home);
    } finally {
      await Promise.all([root, place].map((folder) => rm(folder, { recursive: true, force: true })));
    }
  });
  const start = async (onProgress?: (text: string) => void) => {
    const server = await startEmbeddedPostgres({ home, ...(onProgress && { onProgress }) });
    servers.push(server);
    return server;
  };
  return { root, home, start };
}

let template: Promise<string> | undefined;

afterAll(async () => {
  const home = await template?.catch(() => undefined);
  if (home !== undefined) await rm(dirname(home), { recursive: true, force: true });
});

/** As `setup`, with a data directory in it; setting one up is what takes the most time, so the tests of a file share the work. */
export async function setupInitialised() {
  const bundle = await setup();
  template ??= makeTemplate();
  await run('cp', ['-a', await template, bundle.home]);
  return { ...bundle, dataDirectory: join(bundle.home, 'postgres', 'data') };
}

async function makeTemplate(): Promise<string> {
  const { home } = await makeHome('template', 0o755);
  const server = await startEmbeddedPostgres({ home });
  await server.stop();
  return home;
}

/** As PostgreSQL or Sheaf itself would make it: by root, others may pass. */
export async function makePlace(home: string): Promise<string> {
  const folder = join(home, 'postgres');
  await mkdir(folder, { recursive: true });
  return folder;
}

export async function placeOf(home: string): Promise<string> {
  const folder = join(home, 'postgres');
  return readFile(join(folder, 'location'), 'utf8').then(
    (location) => location.trim(),
    () => folder,
  );
}

export async function processesOf(home: string): Promise<RunningProcess[]> {
  const place = await placeOf(home);
  const isInside = (text = '') => text.includes(`${home}/`) || text.includes(`${place}/`);
  const running = await listProcesses();
  return running.filter((found) => isInside(`${found.commandLine} `) || isInside(found.workingDirectory));
}

/** A keeper whose server never came, or went before it looked, waits its 15 s of grace before it goes. */
export async function expectNobodyLeft(home: string, withinMs = 20_000): Promise<void> {
  await expect
    .poll(async () => (await processesOf(home)).map((found) => found.commandLine), { timeout: withinMs, interval: 50 })
    .toEqual([]);
}

export const isServer = (found: RunningProcess) => found.commandLine.includes('cluster_name=');
export const isKeeper = (found: RunningProcess) => found.commandLine.includes('keeper.');

export async function theOnly(home: string, kind: (found: RunningProcess) => boolean): Promise<RunningProcess> {
  await expect.poll(async () => (await processesOf(home)).filter(kind).length, { timeout: 10_000 }).toBe(1);
  const [found] = (await processesOf(home)).filter(kind);
  if (found === undefined) throw new Error('It ended while being looked at.');
  return found;
}

export async function ask<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}
