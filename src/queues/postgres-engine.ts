import { createPostgresBackend, runMigrations, withBackend } from 'bullmq';
import type { EngineOptions, EngineWorkerOptions, QueueEngine } from './engine.ts';
import { pauseAfterErrors } from './pause-after-errors.ts';

const bound = withBackend(createPostgresBackend);

/** BullMQ on PostgreSQL, in the schema `bullmq` of Sheaf's own database: nothing else has to be set up. */
export function createPostgresEngine(url: string): QueueEngine {
  const connection = (max: number) => ({
    connectionString: url,
    application_name: 'sheaf-queue',
    max,
    keepAlive: true,
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
