import pg from 'pg';
import { startEmbeddedPostgres } from '../src/embedded/start-embedded-postgres.ts';
import { parentOf } from './processes.ts';

/** The PostgreSQL that all programs are measured with: a server of the bench's own, as Sheaf's embedded one is set up. */
export interface Postgres {
  readonly version: string;
  readonly pid: number;
  /** Makes an empty database, in the place of one of this name; answers its URL. */
  fresh(name: string): Promise<string>;
  drop(name: string): Promise<void>;
  /** Brings what is in memory to the disk, so that nobody pays for what another has written. */
  settle(): Promise<void>;
  /** Has nothing done but what is asked for: no autovacuum, from here on. */
  leaveAlone(): Promise<void>;
  /** The names under which its clients have connected, by the process that serves them. */
  clients(): Promise<ReadonlyMap<number, string>>;
  /** How much has been written ahead since the server was made, in bytes. */
  walBytes(): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

type Asking = Pick<pg.Client, 'query'> | Pick<pg.Pool, 'query'>;

export async function startPostgres(home: string): Promise<Postgres> {
  const server = await startEmbeddedPostgres({ home });
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const version = await one<string>(client, `select current_setting('server_version')`);
  const drop = async (name: string) => void (await client.query(`drop database if exists ${name} with (force)`));
  return {
    version,
    pid: await serverProcess(client),
    drop,
    fresh: async (name) => {
      await drop(name);
      await client.query(`create database ${name}`);
      return Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
    },
    settle: async () => void (await client.query('checkpoint')),
    leaveAlone: async () => {
      await client.query('alter system set autovacuum = off');
      await client.query('select pg_reload_conf()');
    },
    clients: async () => {
      const text = `select pid, application_name as name from pg_stat_activity where backend_type = 'client backend'`;
      const { rows } = await client.query<{ pid: number; name: string }>(text);
      return new Map(rows.map(({ pid, name }) => [pid, name]));
    },
    walBytes: async () => Number(await one(client, `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')`)),
    [Symbol.asyncDispose]: async () => {
      await client.end();
      await server.stop();
    },
  };
}

/** The process id of the server itself, the parent of all its others; 0 where that cannot be learned. */
export async function serverProcess(client: Asking): Promise<number> {
  const backend = await one<number>(client, 'select pg_backend_pid()');
  return parentOf(backend);
}

/** The first column of the first row of a database's answer. */
export async function askDatabase<T>(url: string, statement: string): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await one<T>(client, statement);
  } finally {
    await client.end();
  }
}

async function one<T>(client: Asking, statement: string): Promise<T> {
  const { rows } = await client.query<Record<string, T>>(statement);
  return Object.values(rows[0] ?? {})[0] as T;
}
