import type { StoredError } from '../../domain/errors.ts';
import type { BreakerState } from '../../domain/gate.ts';
import type { Database } from '../database.ts';

/** Failed requests in a row, of all workers together, that open a breaker. */
export const FAILURES_TO_OPEN = 10;
/** The breaker's first pause; it doubles each time, up to the longest. */
const FIRST_PAUSE = '5 seconds';
const LONGEST_PAUSE = '60 seconds';
/** A probe that has said nothing for this long is lost with its process. */
const PROBE_TIMEOUT = '2 minutes';
/** What was learnt longer ago is forgotten: the fleet has probed far beyond it by then. */
const LEARNT_LASTS = '1 minute';

/** A source's gate as the fleet shares it. Durations count from the moment of reading: clocks disagree. */
export interface GateState {
  readonly breaker: BreakerState;
  /** Failed requests in a row, of all workers together. */
  readonly failures: number;
  /** For how many more milliseconds no request passes; 0 when they do. */
  readonly closedForMs: number;
  /** What the source was found to bear of late; null when nobody was throttled. */
  readonly learnt: LearntLimit | null;
  /** The last failure. */
  readonly error: StoredError | null;
}

/** What a source was found to bear (see src/gate/learnt-rate.ts), as it is shared. */
export interface LearntLimit {
  /** Requests a second. */
  readonly limit: number;
  readonly keptShare: number;
  readonly isGuess: boolean;
  /** How long ago that was. */
  readonly ageMs: number;
}

/** A source with which nothing has gone wrong yet has no row. */
export const OPEN_GATE: GateState = {
  breaker: 'closed',
  failures: 0,
  closedForMs: 0,
  learnt: null,
  error: null,
};

const STATE = `breaker, failures, error,
  greatest(0, extract(epoch from coalesce(closed_until, now()) - now()) * 1000)::float8 as "closedForMs",
  case when learnt_at > now() - interval '${LEARNT_LASTS}'
       then json_build_object('limit', learnt_limit, 'keptShare', learnt_kept, 'isGuess', learnt_guess,
                              'ageMs', extract(epoch from now() - learnt_at) * 1000) end as learnt`;

export async function readGate({ pool }: Database, source: string): Promise<GateState> {
  const { rows } = await pool.query<GateState>(`select ${STATE} from sheaf.gates where source = $1`, [source]);
  return rows[0] ?? OPEN_GATE;
}

/** The gates of all sources that have been harvested. */
export async function listGates({ pool }: Database): Promise<(GateState & { readonly source: string })[]> {
  const known = await pool.query<GateState & { source: string }>(`select source, ${STATE} from sheaf.gates`);
  const { rows } = await pool.query<{ source: string }>('select distinct source from sheaf.datasets order by source');
  return rows.map(({ source }) => known.rows.find((gate) => gate.source === source) ?? { source, ...OPEN_GATE });
}

/** The source asked to be left alone for so long; the latest end that any worker was told counts. */
export async function closeGate({ pool }: Database, source: string, forMs: number): Promise<void> {
  await pool.query(
    `insert into sheaf.gates as g (source, closed_until) values ($1, now() + make_interval(secs => $2 / 1000.0))
     on conflict (source) do update set closed_until = greatest(g.closed_until, excluded.closed_until), updated_at = now()`,
    [source, forMs],
  );
}

/**
 * Writes down what the source was found to bear just now: all of the fleet goes by it. A guess does not replace a limit
 * that was found of late.
 */
export async function saveLearntLimit(
  { pool }: Database,
  source: string,
  { limit, keptShare, isGuess }: Omit<LearntLimit, 'ageMs'>,
): Promise<void> {
  await pool.query(
    `insert into sheaf.gates as g (source, learnt_limit, learnt_kept, learnt_guess, learnt_at) values ($1, $2, $3, $4, now())
     on conflict (source) do update
       set learnt_limit = excluded.learnt_limit, learnt_kept = excluded.learnt_kept,
           learnt_guess = excluded.learnt_guess, learnt_at = excluded.learnt_at, updated_at = now()
       where not (excluded.learnt_guess and g.learnt_guess is false and g.learnt_at > now() - interval '${LEARNT_LASTS}')`,
    [source, limit, keptShare, isGuess],
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
