import pg from 'pg';
import type { RunState } from '../domain/run.ts';
import type { Database } from './database.ts';
import { beat, holdWorkerLock } from './queries/workers.ts';

/** A worker's sign of life: a connection of its own that holds its lock, and a heartbeat beside it. */
export interface WorkerSession {
  /** Beats once; takes the lock again when its connection was lost. */
  beat(): Promise<void>;
  close(): Promise<void>;
}

/** A run whose state has just changed, told by the database (see migration 0002). */
export interface RunStateChange {
  readonly run: string;
  readonly state: RunState;
}

/**
 * Opens the session. On the same connection it listens for runs that change their state; what is said while the
 * connection is lost is not told, and need not be: the ledger stops a run within a page.
 */
export async function openWorkerSession(
  database: Database,
  workerId: number,
  onRunState: (change: RunStateChange) => void = () => undefined,
): Promise<WorkerSession> {
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
    client.on('notification', ({ payload }) => onRunState(JSON.parse(payload ?? '') as RunStateChange));
    await client.connect();
    await client.query('listen sheaf_run_state');
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
