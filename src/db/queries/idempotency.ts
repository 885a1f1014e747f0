import type pg from 'pg';
import type { RunState } from '../../domain/run.ts';
import { type Database, inTransaction } from '../database.ts';

/** How long a key is remembered. */
const KEPT = '24 hours';
/** How long whoever plans may take before it is taken for dead. Too short costs the source a few requests, no second run. */
const PLANNING = '60 seconds';

/** A request that is to start a run once. */
export interface KeyedRequest {
  readonly actor: string;
  readonly key: string;
  /** Tells requests that ask for the same from others. */
  readonly fingerprint: string;
}

export type KeyClaim =
  /** It is for the caller to plan it, as the run of that id. */
  | { readonly kind: 'claimed'; readonly run: string; readonly attempt: number }
  /** Somebody else is planning it. */
  | { readonly kind: 'busy' }
  /** It has been planned. */
  | { readonly kind: 'started'; readonly run: string }
  /** The key was given before with a request for something else. */
  | { readonly kind: 'reused' };

interface KnownKey {
  readonly fingerprint: string;
  readonly run: string;
  readonly isBusy: boolean;
  /** Null: there is no such run yet. */
  readonly state: RunState | null;
  readonly isSealed: boolean;
}

/**
 * Claims a key, to plan a run under an id that stays the same however often the request comes: `runId`, unless one was
 * chosen before. Forgets keys that have grown old.
 */
export async function claimKey({ pool }: Database, request: KeyedRequest, runId: string): Promise<KeyClaim> {
  return inTransaction(pool, async (client) => {
    await client.query(`delete from sheaf.idempotency where created_at < now() - interval '${KEPT}'`);
    const { rowCount } = await client.query(
      `insert into sheaf.idempotency (actor, key, fingerprint, run_id, busy_until)
       values ($1, $2, $3, $4, now() + interval '${PLANNING}') on conflict do nothing`,
      [request.actor, request.key, request.fingerprint, runId],
    );
    if (rowCount === 1) return { kind: 'claimed', run: runId, attempt: 1 };
    return claimKnown(client, request, runId);
  });
}

async function claimKnown(client: pg.PoolClient, request: KeyedRequest, runId: string): Promise<KeyClaim> {
  const known = await readKey(client, request);
  if (known === undefined) return { kind: 'busy' }; // given back just now: the next try finds out
  if (known.fingerprint !== request.fingerprint) return { kind: 'reused' };
  if (known.isSealed || known.state === 'cancelled') return { kind: 'started', run: known.run };
  if (known.state === 'planning' || (known.state === null && known.isBusy)) return { kind: 'busy' };
  // A plan that was begun and could not be written is no run that anybody could wait for: another begins.
  const run = known.state === null ? known.run : runId;
  const { rows } = await client.query<{ attempt: number }>(
    `update sheaf.idempotency
     set run_id = $3, attempt = attempt + 1, busy_until = now() + interval '${PLANNING}'
     where actor = $1 and key = $2 returning attempt`,
    [request.actor, request.key, run],
  );
  return { kind: 'claimed', run, attempt: rows[0]?.attempt ?? 0 };
}

async function readKey(client: pg.PoolClient, { actor, key }: KeyedRequest): Promise<KnownKey | undefined> {
  const { rows } = await client.query<KnownKey>(
    `select i.fingerprint, i.run_id as run, i.busy_until > now() as "isBusy", r.state,
            r.sealed_at is not null as "isSealed"
     from sheaf.idempotency i left join sheaf.runs r on r.id = i.run_id
     where i.actor = $1 and i.key = $2 for update of i`,
    [actor, key],
  );
  return rows[0];
}

/** Gives a key back under which nothing was planned, so that it may be used again at once. */
export async function releaseKey(
  { pool }: Database,
  { actor, key }: KeyedRequest,
  claim: { readonly run: string; readonly attempt: number },
): Promise<void> {
  await pool.query(
    `delete from sheaf.idempotency i where actor = $1 and key = $2 and run_id = $3 and attempt = $4
       and not exists (select from sheaf.runs r where r.id = i.run_id)`,
    [actor, key, claim.run, claim.attempt],
  );
}

/** How far the plan of a run has come: `absent` when nothing of it has been written. */
export async function planningStateOf({ pool }: Database, run: string): Promise<'absent' | 'begun' | 'sealed'> {
  const { rows } = await pool.query<{ isSealed: boolean }>(
    `select sealed_at is not null as "isSealed" from sheaf.runs where id = $1`,
    [run],
  );
  if (rows[0] === undefined) return 'absent';
  return rows[0].isSealed ? 'sealed' : 'begun';
}
