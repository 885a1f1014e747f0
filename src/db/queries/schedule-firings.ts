import type pg from 'pg';
import type { StoredError } from '../../domain/errors.ts';
import type { RunState } from '../../domain/run.ts';
import type { FiringKind, OverlapPolicy, Startable, StartDecision, UnderWay } from '../../domain/schedule.ts';
import { type Database, inTransaction } from '../database.ts';
import type { FiringRow } from '../schema.ts';

/** Names one claim of a firing. */
export interface FiringClaim {
  readonly firing: number;
  readonly attempt: number;
}

export interface ClaimedFiring extends FiringClaim {
  readonly kind: FiringKind;
  readonly dueAt: Date;
  readonly failures: number;
}

/** Writes down firings that somebody asked for; the first is to be started at once. Returns their ids. */
export async function insertFirings(
  { pool }: Database,
  schedule: number,
  { kind, dueAt }: { readonly kind: 'manual' | 'backfill'; readonly dueAt: readonly Date[] },
): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>(
    `insert into sheaf.schedule_firings (schedule_id, kind, due_at, start_at)
     select $1, $2, due_at, now() from unnest($3::timestamptz[]) with ordinality as d (due_at, position) order by position
     returning id`,
    [schedule, kind, dueAt],
  );
  return rows.map(({ id }) => id);
}

/** Schedules with firings that could be started now, were nothing in their way. */
export async function startableSchedules({ pool }: Database): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>(
    `select distinct schedule_id as id from sheaf.schedule_firings where state = 'waiting' and start_at <= now()`,
  );
  return rows.map(({ id }) => id);
}

/** What has been done about the firings of a schedule: one was claimed, or is to be let go of, or nothing. */
export type NextFiring =
  | { readonly kind: 'claimed'; readonly claim: ClaimedFiring }
  | { readonly kind: 'skipped'; readonly firing: FiringRow }
  | { readonly kind: 'cancel'; readonly runs: readonly string[] }
  | { readonly kind: 'none' };

type Decide = (overlap: OverlapPolicy, startable: readonly Startable[], underWay: UnderWay) => StartDecision;

/**
 * Asks `decide` what is to be done first about a schedule's firings, and does it. The schedule's row is locked meanwhile,
 * so that two workers cannot both find that nothing is under way.
 */
export async function nextFiring(
  { pool }: Database,
  { schedule, workerId }: { readonly schedule: number; readonly workerId: number },
  decide: Decide,
): Promise<NextFiring> {
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ overlap: OverlapPolicy }>(
      'select overlap from sheaf.schedules where id = $1 for update',
      [schedule],
    );
    if (rows[0] === undefined) return { kind: 'none' };
    const startable = await findStartable(client, schedule);
    if (startable.length === 0) return { kind: 'none' };
    const decision = decide(rows[0].overlap, startable, await findUnderWay(client, schedule));
    if (decision.kind === 'start') return { kind: 'claimed', claim: await claim(client, decision.firing, workerId) };
    if (decision.kind === 'skip') return { kind: 'skipped', firing: await skip(client, decision) };
    return decision;
  });
}

/**
 * Those that are due now come before those that go one after another, of which there may be many. Of a paused schedule
 * only what was asked for since.
 */
async function findStartable(client: pg.ClientBase, schedule: number): Promise<Startable[]> {
  const { rows } = await client.query<Startable>(
    `select f.id, f.kind from sheaf.schedule_firings f join sheaf.schedules s on s.id = f.schedule_id
     where f.schedule_id = $1 and f.state = 'waiting' and f.start_at <= now()
       and (s.paused_at is null or f.created_at > s.paused_at)
     order by f.kind in ('catch-up', 'backfill'), f.start_at, f.id limit 50`,
    [schedule],
  );
  return rows;
}

async function findUnderWay(client: pg.ClientBase, schedule: number): Promise<UnderWay> {
  const runs = await client.query<{ firing: number; run: string }>(
    `select f.id as firing, r.id as run
     from sheaf.runs r join sheaf.schedule_runs s on s.run_id = r.id join sheaf.schedule_firings f on f.id = s.firing_id
     where f.schedule_id = $1 and r.state in ('planning', 'fetching', 'paused', 'finalising') order by f.id, s.position`,
    [schedule],
  );
  const starting = await client.query<{ id: number }>(
    `select id from sheaf.schedule_firings where schedule_id = $1 and state = 'starting'`,
    [schedule],
  );
  return { runs: runs.rows, starting: starting.rows.map(({ id }) => id) };
}

async function claim(client: pg.ClientBase, firing: number, workerId: number): Promise<ClaimedFiring> {
  const { rows } = await client.query<ClaimedFiring>(
    `update sheaf.schedule_firings set state = 'starting', worker_id = $2, attempt = attempt + 1
     where id = $1 returning id as firing, attempt, kind, due_at as "dueAt", failures`,
    [firing, workerId],
  );
  if (rows[0] === undefined) throw new Error(`firing ${firing} is gone`);
  return rows[0];
}

async function skip(
  client: pg.ClientBase,
  { firing, reason }: { readonly firing: number; readonly reason: string },
): Promise<FiringRow> {
  const { rows } = await client.query<FiringRow>(
    `update sheaf.schedule_firings set state = 'skipped', reason = $2, settled_at = now()
     where id = $1 returning *, due_at as "dueAt"`,
    [firing, reason],
  );
  if (rows[0] === undefined) throw new Error(`firing ${firing} is gone`);
  return rows[0];
}

/** A run of a firing, and how far it has come; a null state: it is not planned yet. */
export interface FiringRun {
  readonly position: number;
  readonly run: string;
  readonly state: RunState | null;
  readonly isSealed: boolean;
}

/**
 * Gives each of a firing's requests the id of its run, unless it has one. Returns them all; none when the claim no longer
 * held.
 */
export async function nameRuns(
  { pool }: Database,
  claim: FiringClaim,
  names: readonly string[],
): Promise<readonly FiringRun[]> {
  await pool.query(
    `insert into sheaf.schedule_runs (firing_id, position, run_id)
     select f.id, n.position - 1, n.name
     from sheaf.schedule_firings f, unnest($3::text[]) with ordinality as n (name, position)
     where f.id = $1 and f.attempt = $2 and f.state = 'starting'
     on conflict (firing_id, position) do nothing`,
    [claim.firing, claim.attempt, names],
  );
  const { rows } = await pool.query<FiringRun>(
    `select s.position, s.run_id as run, r.state, r.sealed_at is not null as "isSealed"
     from sheaf.schedule_firings f join sheaf.schedule_runs s on s.firing_id = f.id left join sheaf.runs r on r.id = s.run_id
     where f.id = $1 and f.attempt = $2 and f.state = 'starting' order by s.position`,
    [claim.firing, claim.attempt],
  );
  return rows;
}

/** Puts another run in the place of one whose planner died. False when the claim no longer held. */
export async function renameRun(
  { pool }: Database,
  claim: FiringClaim,
  { position, run, by }: { readonly position: number; readonly run: string; readonly by: string },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.schedule_runs s set run_id = $5 from sheaf.schedule_firings f
     where f.id = s.firing_id and f.id = $1 and f.attempt = $2 and f.state = 'starting'
       and s.position = $3 and s.run_id = $4`,
    [claim.firing, claim.attempt, position, run, by],
  );
  return rowCount === 1;
}

export type FiringEnd =
  | { readonly state: 'started' }
  | { readonly state: 'failed'; readonly reason: string; readonly error: StoredError };

/** Ends the planning of a firing. False when the claim no longer held. */
export async function settleFiring({ pool }: Database, claim: FiringClaim, end: FiringEnd): Promise<boolean> {
  const { reason = null, error = null } = end.state === 'failed' ? end : {};
  const { rowCount } = await pool.query(
    `update sheaf.schedule_firings
     set state = $3, reason = $4, error = coalesce($5, error), worker_id = null, settled_at = now(),
         failures = failures + ($3 = 'failed')::int
     where id = $1 and attempt = $2 and state = 'starting'`,
    [claim.firing, claim.attempt, end.state, reason, error === null ? null : JSON.stringify(error)],
  );
  return rowCount === 1;
}

/** Has a firing tried again after `delayMs`. False when the claim no longer held. */
export async function postponeFiring(
  { pool }: Database,
  claim: FiringClaim,
  { delayMs, reason, error }: { readonly delayMs: number; readonly reason: string; readonly error: StoredError },
): Promise<boolean> {
  const { rowCount } = await pool.query(
    `update sheaf.schedule_firings
     set state = 'waiting', worker_id = null, failures = failures + 1, reason = $4, error = $5,
         start_at = now() + $3 * interval '1 millisecond'
     where id = $1 and attempt = $2 and state = 'starting'`,
    [claim.firing, claim.attempt, delayMs, reason, JSON.stringify(error)],
  );
  return rowCount === 1;
}

export const PLANNER_DIED: StoredError = {
  code: 'planner-died',
  message: 'the worker that planned its runs died',
  facts: {},
};

/**
 * Puts back the firings whose worker has died while it planned their runs. One that has cost `mostFailures` workers or
 * attempts has failed. Returns those.
 */
export async function releaseDeadFirings({ pool }: Database, mostFailures: number): Promise<FailedFiring[]> {
  const { rows } = await pool.query<FailedFiring & { state: string }>(
    `update sheaf.schedule_firings f
     set worker_id = null, failures = failures + 1, reason = $2, error = $3,
         state = case when failures + 1 < $1 then 'waiting' else 'failed' end,
         settled_at = case when failures + 1 < $1 then null else now() end
     from sheaf.schedules s
     where s.id = f.schedule_id and f.state = 'starting' and not sheaf.worker_is_alive(f.worker_id)
     returning f.id as firing, s.name as schedule, f.kind, f.due_at as "dueAt", f.state`,
    [mostFailures, PLANNER_DIED.message, JSON.stringify(PLANNER_DIED)],
  );
  return rows.filter(({ state }) => state === 'failed');
}

export interface FailedFiring {
  readonly firing: number;
  readonly schedule: string;
  readonly kind: FiringKind;
  readonly dueAt: Date;
}

/** Puts back what a living worker is noted for but is not at, because it lost the database on the way. */
export async function releaseForgottenFirings(
  { pool }: Database,
  workerId: number,
  isHeld: (firing: number) => boolean,
): Promise<void> {
  const { rows } = await pool.query<FiringClaim>(
    `select id as firing, attempt from sheaf.schedule_firings where worker_id = $1 and state = 'starting'`,
    [workerId],
  );
  for (const { firing, attempt } of rows.filter((each) => !isHeld(each.firing)))
    await pool.query(
      `update sheaf.schedule_firings set state = 'waiting', worker_id = null
       where id = $1 and attempt = $2 and state = 'starting'`,
      [firing, attempt],
    );
}

/**
 * Drops firings that were settled so many days ago, but for the newest hundred of each schedule, and all beyond so many of
 * a schedule; their runs stay.
 */
export async function dropOldFirings(
  { pool }: Database,
  { days, most }: { readonly days: number; readonly most: number },
): Promise<void> {
  await pool.query(
    `delete from sheaf.schedule_firings f
     using sheaf.schedules s,
           lateral (select id from sheaf.schedule_firings n where n.schedule_id = s.id order by id desc offset 99 limit 1) few,
           lateral (select min(id) as id from (select id from sheaf.schedule_firings n where n.schedule_id = s.id
                                               order by id desc limit $2) newest) many
     where f.schedule_id = s.id and f.settled_at is not null
       and (f.id < many.id or f.id < few.id and f.settled_at < now() - make_interval(days => $1))`,
    [days, most],
  );
}

/** A firing with the runs that it has started. */
export interface FiringReport extends Pick<FiringRow, 'kind' | 'dueAt' | 'state' | 'startAt' | 'failures' | 'reason'> {
  readonly id: number;
  readonly settledAt: Date | null;
  readonly runs: readonly { readonly run: string; readonly dataset: string; readonly state: RunState }[];
}

/** The newest firings of schedules, `limit` of each at most. */
export async function recentFirings(
  { pool }: Database,
  schedules: readonly number[],
  limit: number,
): Promise<(FiringReport & { readonly schedule: number })[]> {
  const { rows } = await pool.query<FiringReport & { schedule: number }>(
    `select f.schedule_id as schedule, f.id, f.kind, f.due_at as "dueAt", f.state, f.start_at as "startAt", f.failures,
            f.reason, f.settled_at as "settledAt",
            coalesce((select json_agg(json_build_object('run', r.id, 'dataset', r.dataset, 'state', r.state) order by s.position)
                      from sheaf.schedule_runs s join sheaf.runs r on r.id = s.run_id where s.firing_id = f.id), '[]') as runs
     from unnest($1::int[]) as wanted (id),
          lateral (select * from sheaf.schedule_firings n where n.schedule_id = wanted.id order by n.id desc limit $2) f
     order by f.id desc`,
    [schedules, limit],
  );
  return rows;
}
