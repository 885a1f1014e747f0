import type pg from 'pg';
import type { Database } from '../database.ts';
import { desc, isNull } from '../drizzle.ts';
import { type WorkerRow, workers } from '../schema.ts';

export interface WorkerFacts {
  readonly host: string;
  readonly pid: number;
  /** The application_name of all connections of the process. */
  readonly session: string;
  readonly version: string;
  readonly concurrency: number;
}

/** Writes a new worker down. It counts as alive once `holdWorkerLock` has been called. */
export async function registerWorker({ orm }: Database, facts: WorkerFacts): Promise<number> {
  const rows = await orm.insert(workers).values(facts).returning({ id: workers.id });
  if (rows[0] === undefined) throw new Error('a worker was not written');
  return rows[0].id;
}

/**
 * Holds a worker's lock on a connection of its own until the connection ends: the sign of life that a `kill -9` takes
 * away at once. False while PostgreSQL still takes a lost connection of the same worker for a living one.
 */
export async function holdWorkerLock(client: pg.ClientBase, workerId: number): Promise<boolean> {
  const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock(7306, $1) as held', [workerId]);
  return rows[0]?.held === true;
}

/** Tells the fleet, until the connection ends, that this worker can sign in to Kafka. 7307 is the class of such locks. */
export async function holdKafkaLogin(client: pg.ClientBase): Promise<void> {
  await client.query('select pg_advisory_lock_shared(7307, 1)');
}

/** Whether some living worker can sign in to Kafka. */
export async function someoneSignsIn({ pool }: Database): Promise<boolean> {
  const { rowCount } = await pool.query(
    `select from pg_locks
     where locktype = 'advisory' and classid = 7307 and objid = 1 and objsubid = 2 and mode = 'ShareLock'
       and database = (select oid from pg_database where datname = current_database())`,
  );
  return (rowCount ?? 0) > 0;
}

export async function beat({ pool }: Database, workerId: number): Promise<void> {
  // A worker that had been given up, because it was frozen or cut off, is back with its first beat.
  await pool.query('update sheaf.workers set heartbeat_at = now(), stopped_at = null where id = $1', [workerId]);
}

/** Notes that a worker has both its stores, and takes work. */
export async function noteWell({ pool }: Database, workerId: number): Promise<void> {
  await pool.query('update sheaf.workers set well_at = now() where id = $1', [workerId]);
}

/** Workers on a host that have shown within a minute that they are alive and take work. */
export async function wellWorkersOn({ pool }: Database, host: string): Promise<{ id: number; pid: number }[]> {
  const { rows } = await pool.query<{ id: number; pid: number }>(
    `select id, pid from sheaf.workers
     where host = $1 and stopped_at is null and sheaf.worker_is_alive(id) and well_at > now() - interval '60 seconds'`,
    [host],
  );
  return rows;
}

/**
 * Gives up workers that have shown no sign of life for a minute, and ends what is left of their sessions: a process that
 * was frozen, or whose machine vanished, would hold its row locks for as long as nobody notices. One that comes back
 * finds its connections gone, connects again, and is fenced off from what others have taken over.
 */
export async function buryWorkers({ pool }: Database): Promise<void> {
  await pool.query(
    `with lost as (
       update sheaf.workers set stopped_at = now()
       where stopped_at is null and heartbeat_at < now() - interval '60 seconds'
       returning session)
     select pg_terminate_backend(a.pid) from pg_stat_activity a join lost on lost.session = a.application_name
     where a.datname = current_database() and a.pid <> pg_backend_pid()`,
  );
}

export async function retireWorker(database: Database, workerId: number): Promise<void> {
  await database.pool.query('update sheaf.workers set stopped_at = now() where id = $1 and stopped_at is null', [
    workerId,
  ]);
  await announceFleet(database);
}

/** Tells every worker that the fleet has grown or shrunk, and with it everybody's share of what sources bear. */
export async function announceFleet({ pool }: Database): Promise<void> {
  await pool.query('notify sheaf_fleet');
}

/** How many workers are alive; at least 1, so that a share of something can be taken by it. */
export async function countLiveWorkers({ pool }: Database): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    'select count(*)::int as count from sheaf.workers where stopped_at is null and sheaf.worker_is_alive(id)',
  );
  return Math.max(1, rows[0]?.count ?? 1);
}

export async function listLiveWorkers({ pool, orm }: Database): Promise<WorkerRow[]> {
  const alive = await pool.query<{ id: number }>(
    'select id from sheaf.workers where stopped_at is null and sheaf.worker_is_alive(id)',
  );
  const ids = new Set(alive.rows.map((row) => row.id));
  const rows = await orm.select().from(workers).where(isNull(workers.stoppedAt)).orderBy(desc(workers.id));
  return rows.filter((row) => ids.has(row.id));
}

/**
 * Does `work` unless another process is at the same duty: whoever holds the advisory lock named `duty` does it. The
 * lock goes with the connection, so that it never outlives a process. False when another was at it.
 */
export async function tryAsOnlyOne({ pool }: Database, duty: string, work: () => Promise<void>): Promise<boolean> {
  const client = await pool.connect();
  let isUsable = false;
  try {
    const { rows } = await client.query<{ held: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as held',
      [duty],
    );
    const isHeld = rows[0]?.held === true;
    if (isHeld) await work();
    if (isHeld) await client.query('select pg_advisory_unlock(hashtextextended($1, 0))', [duty]);
    isUsable = true;
    return isHeld;
  } finally {
    client.release(!isUsable); // a connection that may still hold the lock is closed
  }
}
