import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, rmSync, statfsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '../../src/db/database.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { startEmbeddedPostgres } from '../../src/embedded/start-embedded-postgres.ts';
import { migratePostgresEngine } from '../../src/queues/postgres-engine.ts';
import { freePort } from './free-port.ts';

/** A file system in memory, on Linux. */
const MEMORY = '/dev/shm/';
const MEMORY_NEEDED = 3_000_000_000;

declare module 'vitest' {
  export interface ProvidedContext {
    /** A PostgreSQL whose user may create databases; `sheaf_template` is migrated. */
    postgresUrl: string;
    /** Null where no redis-server is installed: the Redis engine is then not tested, and the run says so. */
    redisUrl: string | null;
  }
}

/** One real PostgreSQL, and one real Redis, for the whole test run. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const home = homeOfPostgres();
  const postgres = await startEmbeddedPostgres({ home });
  await makeTemplate(postgres.url);
  const redis = await startRedis();
  if (redis === null) process.stderr.write('redis-server is not installed: the Redis engine is NOT tested.\n');
  project.provide('postgresUrl', postgres.url);
  project.provide('redisUrl', redis?.url ?? null);
  return async () => {
    await redis?.stop();
    await postgres.stop();
    if (home.startsWith(MEMORY)) rmSync(home, { recursive: true, force: true });
  };
}

/**
 * Where there is room, the server's files are kept in memory: a test's database is five hundred files, and copying them on
 * a disk took most of the time of the tests.
 */
function homeOfPostgres(): string {
  const checkout = resolve('.sheaf/test');
  const room = existsSync(MEMORY) ? statfsSync(MEMORY) : { bavail: 0, bsize: 0 };
  if (room.bavail * room.bsize < MEMORY_NEEDED) return checkout;
  return join(MEMORY, `sheaf-test-${createHash('sha256').update(checkout).digest('hex').slice(0, 12)}`);
}

async function makeTemplate(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  // What an interrupted test run has left behind goes with the template.
  const { rows } = await client.query<{ datname: string }>(
    `select datname from pg_database where datname like 'sheaf\\_t%'`,
  );
  for (const { datname } of rows) await client.query(`drop database ${client.escapeIdentifier(datname)} with (force)`);
  // Nothing of a test needs to survive the machine's death. Tests about crashes of PostgreSQL start one of their own.
  for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit']) {
    await client.query(`alter system set ${setting} = off`);
  }
  await client.query('select pg_reload_conf()');
  await client.query('create database sheaf_template');
  await client.end();
  const template = openDatabase({
    url: withDatabase(url, 'sheaf_template'),
    session: 'template',
    connections: 2,
  });
  await migrateDatabase(template, migratePostgresEngine);
  await template.close();
}

export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

async function startRedis(): Promise<{ url: string; stop(): Promise<void> } | null> {
  const directory = await mkdtemp(join(tmpdir(), 'sheaf-redis-'));
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
  const server = spawn('redis-server', args, { stdio: 'ignore' });
  const started = await Promise.race([once(server, 'spawn').then(() => true), once(server, 'error').then(() => false)]);
  if (!started) return null;
  const url = `redis://127.0.0.1:${port}/0`;
  await answers(url);
  return {
    url,
    stop: async () => {
      const exited = once(server, 'exit');
      server.kill('SIGTERM');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => 50 });
  client.on('error', () => undefined);
  for (let tries = 0; tries < 100; tries++) {
    const pong = await client.ping().catch(() => null);
    if (pong !== null) break;
    await sleep(50);
  }
  client.disconnect();
}
