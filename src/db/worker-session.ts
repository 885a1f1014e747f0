import pg from 'pg';
import type { Database } from './database.ts';
import { beat, holdWorkerLock } from './queries/workers.ts';

/** A worker's sign of life: a connection of its own that holds its lock, and a heartbeat beside it. */
export interface WorkerSession {
  /** Beats once; takes the lock again when its connection was lost. */
  beat(): Promise<void>;
  close(): Promise<void>;
}

export async function openWorkerSession(database: Database, workerId: number): Promise<WorkerSession> {
  let holder: pg.Client | undefined;

  const hold = async (): Promise<void> => {
    const client = new pg.Client({
      connectionString: database.url,
      application_name: `sheaf-worker-${workerId}`,
      keepAlive: true,
    });
    const forget = () => {
      if (holder === client) holder = undefined;
    };
    client.on('error', forget);
    client.on('end', forget);
    await client.connect();
    if (await holdWorkerLock(client, workerId)) holder = client;
    else await client.end(); // the next beat tries again
  };

  await hold();
  return {
    beat: async () => {
      if (holder === undefined) await hold();
      await beat(database, workerId);
    },
    close: async () => {
      await holder?.end();
    },
  };
}
