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

/** BullMQ on PostgreSQL, in the schema `bullmq` of Sheaf's own database: nothing else has to be set up. */
export function createPostgresEngine(url: string): QueueEngine {
  const connection = (max: number) => ({
    connectionString: url,
    application_name: 'sheaf-queue',
    max,
    keepAlive: true,
    Client: ListenedClient,
  });
  return {
    kind: 'postgres',
    createQueue: (name, options: EngineOptions) =>
      new bound.Queue(name, { ...options, connection: connection(2) }) as never,
    createWorker: (name, process, options: EngineWorkerOptions) =>
      pauseAfterErrors(new bound.Worker(name, process, { ...options, connection: connection(4) })) as never,
    check: async () => undefined, // the database has been checked already
  };
}

/** Brings BullMQ's own tables up to date, on a connection that the caller holds. */
export async function migratePostgresEngine(client: Parameters<typeof runMigrations>[0]): Promise<void> {
  await runMigrations(client);
}
