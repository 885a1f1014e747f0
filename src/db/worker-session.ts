import pg from 'pg';
import type { RunState } from '../domain/run.ts';
import type { Database } from './database.ts';
import { announceFleet, beat, holdKafkaLogin, holdWorkerLock } from './queries/workers.ts';

/** A worker's sign of life: a connection of its own that holds its lock, and a heartbeat beside it. */
export interface WorkerSession {
  /** Beats once; takes the lock again when its connection was lost. */
  beat(): Promise<void>;
  close(): Promise<void>;
}

/** What the database tells at once (see the migrations 0002 and 0003, and `announceFleet`). */
export interface SessionListener {
  onRunState(change: { readonly run: string; readonly state: RunState }): void;
  onGate(source: string): void;
  /** A worker has joined the fleet or left it. */
  onFleet(): void;
}

export interface SessionOptions {
  readonly listener?: SessionListener;
  /** Whether the fleet is to know that this worker can sign in to Kafka. */
  readonly hasKafkaLogin?: boolean;
}

/**
 * Opens the session. On the same connection it listens for runs and gates that change their state; what is said while
 * the connection is lost is not told, and need not be: the ledger stops a run within a page, and each beat looks again.
 */
export async function openWorkerSession(
  database: Database,
  workerId: number,
  { listener, hasKafkaLogin = false }: SessionOptions = {},
): Promise<WorkerSession> {
  let holder: pg.Client | undefined;

  const hold = async (): Promise<void> => {
    const client = new pg.Client({
      connectionString: database.url,
      application_name: database.session,
      keepAlive: true,
    });
    const forget = () => {
      if (holder === client) holder = undefined;
    };
    client.on('error', forget);
    client.on('end', forget);
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === 'sheaf_gate') listener?.onGate(payload);
      else if (channel === 'sheaf_fleet') listener?.onFleet();
      else listener?.onRunState(JSON.parse(payload) as Parameters<SessionListener['onRunState']>[0]);
    });
    await client.connect();
    await client.query('listen sheaf_run_state; listen sheaf_gate; listen sheaf_fleet');
    if (!(await holdWorkerLock(client, workerId))) return client.end(); // the next beat tries again
    if (hasKafkaLogin) await holdKafkaLogin(client);
    holder = client;
    await announceFleet(database);
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
