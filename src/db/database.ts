import { setTimeout as sleep } from 'node:timers/promises';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { OperatorError } from '../domain/errors.ts';
import { redact } from '../domain/redact.ts';
import { drizzle } from './drizzle.ts';

/** Older servers lack `pg_input_is_valid`, with which a record is judged before it can spoil a merge. */
export const MINIMUM_POSTGRES_VERSION = 16;

/** The database: drizzle for the control plane, the pool for COPY and for statements of substance. */
export interface Database {
  readonly url: string;
  /** The application_name of every connection of this pool. */
  readonly session: string;
  readonly orm: NodePgDatabase;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  /** The application_name of its connections. */
  readonly session: string;
  /** Connections at most. */
  readonly connections: number;
  /** How long one statement may take, in milliseconds; as long as it likes when left out. */
  readonly statementTimeoutMs?: number;
  /** Told about errors of idle connections: the pool replaces them by itself. */
  readonly onTrouble?: (error: Error) => void;
}

const INT8 = 20;
/** How long connections that are in use may take to be given back; nothing of ours is under way any more by then. */
const CLOSE_MS = 3_000;

/** Opens a pool; connects nothing yet. Counts (`int8`) come back as numbers: none of ours reaches 2^53. */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, session, connections, statementTimeoutMs, onTrouble } = options;
  const pool = new pg.Pool({
    connectionString: url,
    application_name: session,
    max: connections,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    ...(statementTimeoutMs === undefined ? {} : { statement_timeout: statementTimeoutMs }),
    // A process that was frozen inside a transaction must not hold its locks for ever.
    idle_in_transaction_session_timeout: 60_000,
    types: { getTypeParser: (id, format) => (id === INT8 ? Number : pg.types.getTypeParser(id, format as 'text')) },
  });
  let isClosing = false;
  pool.on('error', (error) => {
    if (!isClosing) onTrouble?.(error);
  });
  // A connection that breaks while it is checked out tells its query; without a listener it would end the process, too.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const close = async () => {
    isClosing = true;
    await Promise.race([pool.end(), sleep(CLOSE_MS, undefined, { ref: false })]);
  };
  return { url, session, orm: drizzle(pool), pool, close };
}

/** Proves that the server answers and is new enough. Throws an OperatorError that says what to do. */
export async function checkServer({ pool, url }: Database): Promise<void> {
  const version = await pool
    .query<{ version: number }>(`select current_setting('server_version_num')::int / 10000 as version`)
    .catch((cause: unknown) => {
      throw connectionError(url, cause);
    });
  const major = version.rows[0]?.version ?? 0;
  if (major >= MINIMUM_POSTGRES_VERSION) return;
  throw new OperatorError(
    `PostgreSQL at ${serverOf(url)} is version ${major}; Sheaf needs ${MINIMUM_POSTGRES_VERSION} or newer. Upgrade it, or unset DATABASE_URL to use the embedded one.`,
    { code: 'database-too-old', facts: { version: major } },
  );
}

/** Proves that the server answers within so many milliseconds; a connection that does not is given up. */
export async function checkAnswers({ pool }: Database, withinMs: number): Promise<void> {
  const query = { text: 'select 1', query_timeout: withinMs };
  await pool.query(query);
}

/** Host, port and database of a connection URL, without what must stay secret. */
export function serverOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}

function connectionError(url: string, cause: unknown): OperatorError {
  const { code, message } = cause as { code?: string; message?: string };
  const detail = redact(message || code || String(cause));
  const advice =
    code?.startsWith('28') === true
      ? 'Check the user and password in DATABASE_URL'
      : 'Check that it runs, and DATABASE_URL';
  return new OperatorError(
    `Cannot use PostgreSQL at ${serverOf(url)}: ${detail}. ${advice}; \`sheaf doctor\` tells more.`,
    {
      code: 'database-down',
      facts: { sqlstate: code },
      cause,
    },
  );
}

/** Runs `work` on one connection inside a transaction. Rolls back, and discards a broken connection, on any error. */
export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    client.release();
    return result;
  } catch (error) {
    const isUsable = await client.query('rollback').then(
      () => true,
      () => false,
    );
    client.release(!isUsable);
    throw error;
  }
}
