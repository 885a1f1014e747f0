import { createPostgresBackend, runMigrations, withBackend } from 'bullmq';
import pg from 'pg';
import type { EngineOptions, EngineWorkerOptions, QueueEngine } from './engine.ts';
import { pauseAfterErrors } from './pause-after-errors.ts';

const bound = withBackend(createPostgresBackend);

/**
 * BullMQ uses clients of its pool without listening to their errors: a connection that breaks at the wrong moment, such
 * as while a queue is opened, would end the process. The query that was under way is told of the error all the same.
 */
class ListenedClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/**
 * BullMQ listens to the errors of the pool that it is given each time that it makes a queue or a worker, and after trouble it makes
 * new ones; it never stops. They are errors of idle clients, which the pool replaces by itself: heard once, they are enough.
 */
class SharedPool extends pg.Pool {
  constructor(config: pg.PoolConfig) {
    super(config);
    super.on('error', () => undefined);
  }

  override on(...[event, listener]: Parameters<pg.Pool['on']>): this {
    return (event as string) === 'error' ? this : super.on(event, listener);
  }
}

/** One for each queue's worker, which listens on it for as long as it lives, and some for all that is asked and told. */
const CONNECTIONS = 10;

/**
 * BullMQ on PostgreSQL, in the schema `bullmq` of Sheaf's own database: nothing else has to be set up. All queues and
 * workers share a pool: with pools of their own they would open a dozen connections before the first job is taken, and
 * each costs both sides some ten milliseconds of processor time.
 */
export function createPostgresEngine(url: string): QueueEngine {
  let shared: pg.Pool | undefined;
  const connection = () => {
    shared ??= openPool(url);
    return shared as never; // BullMQ takes a pool, though its type asks for an index signature that pg's does not have
  };
  return {
    kind: 'postgres',
    createQueue: (name, options: EngineOptions) =>
      new bound.Queue(name, { ...options, connection: connection() }) as never,
    createWorker: (name, process, options: EngineWorkerOptions) =>
      pauseAfterErrors(new bound.Worker(name, process, { ...options, connection: connection() })) as never,
    check: async () => undefined, // the database has been checked already
    close: async () => {
      const pool = shared;
      shared = undefined;
      await pool?.end();
    },
  };
}

function openPool(url: string): pg.Pool {
  return new SharedPool({
    connectionString: url,
    application_name: 'sheaf-queue',
    max: CONNECTIONS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000, // a connection that listens and has gone silently is found out by nothing else
    Client: ListenedClient,
    options: '-c search_path=bullmq', // as BullMQ sets it in pools of its own
  });
}

/** Brings BullMQ's own tables up to date, on a connection that the caller holds. */
export async function migratePostgresEngine(client: Parameters<typeof runMigrations>[0]): Promise<void> {
  await runMigrations(client);
}
