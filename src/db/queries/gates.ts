import type { StoredError } from '../../domain/errors.ts';
import type { Database } from '../database.ts';
import { asc, eq } from '../drizzle.ts';
import { type GateRow, gates } from '../schema.ts';

/** Failed requests in a row, of all workers together, that open a breaker. */
export const FAILURES_TO_OPEN = 10;
/** The breaker's first pause; it doubles each time, up to the longest. */
const FIRST_PAUSE = '5 seconds';
const LONGEST_PAUSE = '60 seconds';
/** A probe that has said nothing for this long is lost with its process. */
const PROBE_TIMEOUT = '2 minutes';

export async function readGate({ orm }: Database, source: string): Promise<GateRow | undefined> {
  const rows = await orm.select().from(gates).where(eq(gates.source, source));
  return rows[0];
}

export async function listGates({ orm }: Database): Promise<GateRow[]> {
  return orm.select().from(gates).orderBy(asc(gates.source));
}

/** The source asked to be left alone; the latest time that any worker was told counts. */
export async function closeGate({ pool }: Database, source: string, until: Date): Promise<void> {
  await pool.query(
    `insert into sheaf.gates as g (source, closed_until) values ($1, $2)
     on conflict (source) do update set closed_until = greatest(g.closed_until, excluded.closed_until), updated_at = now()`,
    [source, until],
  );
}

/**
 * Counts a failed request. The one that makes it too many opens the breaker, and a failed probe opens it again, for
 * twice as long.
 */
export async function recordFailure({ pool }: Database, source: string, error: StoredError): Promise<void> {
  await pool.query(
    `insert into sheaf.gates as g (source, failures, error) values ($1, 1, $2)
     on conflict (source) do update
       set failures = g.failures + 1, error = excluded.error, updated_at = now(),
           breaker = case when g.breaker = 'half-open' or g.failures + 1 >= $3 then 'open' else g.breaker end,
           times_opened = g.times_opened + case when ${OPENS} then 1 else 0 end,
           closed_until = case when ${OPENS}
                               then greatest(g.closed_until, now() + least(interval '${LONGEST_PAUSE}', interval '${FIRST_PAUSE}' * 2 ^ g.times_opened))
                               else g.closed_until end`,
    [source, JSON.stringify(error), FAILURES_TO_OPEN],
  );
}

const OPENS = `(g.breaker = 'half-open' or g.breaker = 'closed' and g.failures + 1 >= $3)`;

/** The source answers: closes the breaker and forgets the failures. A Retry-After that still runs is kept. */
export async function recordSuccess({ pool }: Database, source: string): Promise<void> {
  await pool.query(
    `update sheaf.gates
     set breaker = 'closed', failures = 0, times_opened = 0, probe_until = null, updated_at = now(),
         closed_until = case when breaker = 'closed' then closed_until end
     where source = $1 and (breaker <> 'closed' or failures > 0)`,
    [source],
  );
}

/** Asks to send the probe of a breaker whose pause is over. One of any number that ask at once may. */
export async function takeProbe({ pool }: Database, source: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.gates
     set breaker = 'half-open', probe_until = now() + interval '${PROBE_TIMEOUT}', updated_at = now()
     where source = $1
       and (breaker = 'open' and closed_until <= now() or breaker = 'half-open' and probe_until <= now())`,
    [source],
  );
  return rowCount === 1;
}
