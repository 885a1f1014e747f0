import type { Client } from 'pg';

/**
 * Who uses a server is written in advisory locks, which PostgreSQL itself gives up when their holder dies, however it dies:
 *  - every user holds LEASE shared;
 *  - whoever is about to stop the server holds LEASE exclusively, which shows that there is no user, and keeps new ones out.
 *    It is held until the server is gone, so a shared lock that is granted on a server not yet stopping is safe;
 *  - the one keeper holds KEEPER.
 * To look who is there, `pg_locks` is read instead of trying the lock: a lock that is tried and given back would for a moment
 * turn newcomers away, and let a user who leaves believe that another one remains.
 */
const SHEAF = 0x5348_4546;
const LEASE = 1;
const KEEPER = 2;

export type Holders = { users: number; stoppers: number; keepers: number };

export const tryLease = (client: Client): Promise<boolean> =>
  ask(client, 'select pg_try_advisory_lock_shared($1, $2) as answer', LEASE);

export const releaseLease = (client: Client): Promise<boolean> =>
  ask(client, 'select pg_advisory_unlock_shared($1, $2) as answer', LEASE);

export const tryToBeLast = (client: Client): Promise<boolean> =>
  ask(client, 'select pg_try_advisory_lock($1, $2) as answer', LEASE);

export const tryKeeping = (client: Client): Promise<boolean> =>
  ask(client, 'select pg_try_advisory_lock($1, $2) as answer', KEEPER);

export async function readHolders(client: Client): Promise<Holders> {
  const { rows } = await client.query<Holders>(
    `select count(*) filter (where objid = $2 and mode = 'ShareLock')::int as users,
            count(*) filter (where objid = $2 and mode = 'ExclusiveLock')::int as stoppers,
            count(*) filter (where objid = $3)::int as keepers
       from pg_locks
      where locktype = 'advisory' and granted and classid = $1 and objsubid = 2
        and database = (select oid from pg_database where datname = current_database())`,
    [SHEAF, LEASE, KEEPER],
  );
  return rows[0] ?? { users: 0, stoppers: 0, keepers: 0 };
}

async function ask(client: Client, text: string, lock: number): Promise<boolean> {
  const { rows } = await client.query<{ answer: boolean }>(text, [SHEAF, lock]);
  return rows[0]?.answer === true;
}
