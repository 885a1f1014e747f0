import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openDatabase } from '../../src/db/database.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { migratePostgresEngine } from '../../src/queues/postgres-engine.ts';
import { startTwin, type Twin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { AUDIT_SQL } from './audit.ts';
import { onExit } from './on-exit.ts';
import { type PostgresServer, startPostgresServer } from './postgres-server.ts';
import { type RedisServer, startRedisServer } from './redis-server.ts';
import { makeSmallDisk, type SmallDisk } from './small-disk.ts';
import { type StoreProxy, startStoreProxy } from './store-proxy.ts';

/**
 * All that a run of the suite needs for itself: a PostgreSQL, a Redis, a proxy before each, a twin and a disk. Scenarios
 * of one lane follow each other; lanes work side by side, and no crash of one disturbs another.
 */
export interface SuiteLane {
  readonly number: number;
  readonly folder: string;
  readonly postgres: PostgresServer;
  readonly redis: RedisServer | null;
  readonly proxies: { readonly postgres: StoreProxy; readonly redis: StoreProxy | null };
  readonly twin: Twin;
  readonly disk: SmallDisk;
  /** What the proxies did since the last call, for the timeline. */
  onProxyEvent(listener: (what: string) => void): void;
  /** Makes a database from the migrated template. */
  createDatabase(): Promise<string>;
  dropDatabase(name: string): Promise<void>;
  stop(): Promise<void>;
}

const TEMPLATE = 'suite_template';

export async function startSuiteLane(number: number, needs: { readonly redis: boolean }): Promise<SuiteLane> {
  const folder = await mkdtemp(join(tmpdir(), `sheaf-faults-${number}-`));
  const removal = onExit(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755); // as root, PostgreSQL runs as another user, who must reach it
  await mkdir(join(folder, 'redis'));
  let tell: (what: string) => void = () => undefined;
  const postgres = await startPostgresServer(join(folder, 'home'));
  await makeTemplate(postgres.url);
  const redis = needs.redis ? await startRedisServer(join(folder, 'redis')) : null;
  const onEvent = (store: string) => (what: string) => tell(`${store}: ${what}`);
  const proxies = {
    postgres: await startStoreProxy({ kind: 'postgres', url: postgres.url, onEvent: onEvent('postgres') }),
    redis: redis && (await startStoreProxy({ kind: 'redis', url: redis.url, onEvent: onEvent('redis') })),
  };
  const twin = await startTwin({ dataset: inlineData({}) });
  const disk = makeSmallDisk(join(folder, 'out'));
  const unmounting = onExit(() => disk.unmount());
  return {
    number,
    folder,
    postgres,
    redis,
    proxies,
    twin,
    disk,
    onProxyEvent: (listener) => {
      tell = listener;
    },
    createDatabase: () => createDatabase(postgres.url),
    dropDatabase: (name) => administer(postgres.url, `drop database if exists ${name} with (force)`),
    stop: async () => {
      await Promise.all([proxies.postgres.stop(), proxies.redis?.stop(), twin.stop()]);
      await Promise.all([postgres.stop(), redis?.stop()]);
      disk.unmount();
      unmounting();
      removal();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function makeTemplate(server: string): Promise<void> {
  await administer(server, `create database ${TEMPLATE}`);
  const url = withDatabase(server, TEMPLATE);
  const template = openDatabase({ url, session: 'template', connections: 2 });
  await migrateDatabase(template, migratePostgresEngine);
  await template.close();
  await administer(url, AUDIT_SQL);
}

async function createDatabase(server: string): Promise<string> {
  const name = `run_${randomBytes(6).toString('hex')}`;
  await administer(server, `create database ${name} template ${TEMPLATE}`);
  // Two installations that share a Redis must not take each other's jobs.
  const newId = 'update sheaf.installation set id = substr(md5(gen_random_uuid()::text), 1, 8)';
  await administer(withDatabase(server, name), newId);
  return name;
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
