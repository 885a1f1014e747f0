import type { BreakerState } from '../../domain/gate.ts';
import type { RunState } from '../../domain/run.ts';
import type { SliceState } from '../../domain/slice.ts';
import type { SubscriptionState } from '../../domain/subscription.ts';
import type { Database } from '../database.ts';

/** What is to be seen of the whole fleet in the ledger, for metrics. Durations are seconds. */
export interface FleetState {
  /** The newest runs that have not ended, as many as were asked for. */
  readonly openRuns: readonly OpenRun[];
  /** All runs that have not ended, by state. */
  readonly runs: Readonly<Partial<Record<RunState, number>>>;
  /** The slices of all runs that have not ended, by state. */
  readonly slices: Readonly<Partial<Record<SliceState, number>>>;
  readonly workers: { readonly alive: number; readonly well: number };
  readonly gates: readonly FleetGate[];
  readonly datasets: readonly DatasetOutcome[];
  readonly notifications: readonly WaitingNotifications[];
  readonly schedules: readonly ScheduleOutcome[];
  readonly feeds: readonly FeedStanding[];
}

export interface OpenRun {
  readonly run: string;
  readonly dataset: string;
  readonly state: RunState;
  readonly expected: number | null;
  readonly records: number;
  readonly slices: number;
  readonly settled: number;
  /** Since its last page, or since its plan was sealed, or begun. */
  readonly idleSeconds: number;
}

export interface FleetGate {
  readonly source: string;
  readonly breaker: BreakerState;
  readonly failures: number;
  readonly closedSeconds: number;
  /** Requests a second that the source was found to bear within the last minute; null when it throttled nobody. */
  readonly learntLimit: number | null;
}

/** How the newest run of a dataset that has ended came out; and when the last complete one ended, in seconds since 1970. */
export interface DatasetOutcome {
  readonly dataset: string;
  readonly state: RunState;
  readonly completeAt: number | null;
}

export interface WaitingNotifications {
  readonly channel: string;
  readonly waiting: number;
  readonly givenUp: number;
  readonly oldestSeconds: number;
}

export interface ScheduleOutcome {
  readonly schedule: string;
  /** Since its next time has passed without anybody noticing; 0 when that is to come. */
  readonly overdueSeconds: number;
  /** How its newest firing stands; null when it never fired. */
  readonly last: string | null;
}

export interface FeedStanding {
  readonly subscription: string;
  readonly state: SubscriptionState;
  /** Tries that failed in a row, of the dataset that has most of them. */
  readonly failures: number;
  /** For how long the first change that was not told has been there; 0 when there is none. */
  readonly lagSeconds: number;
}

/** More datasets, schedules or subscriptions than this are left out, the last by name. */
const MOST_NAMES = 200;

/**
 * Reads the fleet's state in one statement, which touches the slices of open runs and little else. It is given up after
 * `timeoutMs`, and its connection with it.
 */
export async function readFleet(
  { pool }: Database,
  { openRuns, timeoutMs }: { readonly openRuns: number; readonly timeoutMs: number },
): Promise<FleetState> {
  const query = { text: FLEET, values: [openRuns, MOST_NAMES], query_timeout: timeoutMs };
  const { rows } = await pool.query<{ fleet: FleetState }>(query);
  if (rows[0] === undefined) throw new Error('an aggregate without a row');
  return rows[0].fleet;
}

const FLEET = `
  with open_run as (
    select id, dataset, state, expected, coalesce(sealed_at, created_at) as begun_at, created_at from sheaf.runs
    where state in ('planning', 'fetching', 'paused', 'finalising')),
  slice as (
    select s.run_id, s.state, count(*) as slices, sum(s.records) as records, max(s.staged_at) as staged_at
    from sheaf.slices s join open_run r on r.id = s.run_id group by s.run_id, s.state),
  progress as (
    select run_id, sum(slices) as slices, sum(records) as records, max(staged_at) as staged_at,
           coalesce(sum(slices) filter (where state in ('done', 'failed')), 0) as settled
    from slice group by run_id),
  newest as (select * from open_run order by created_at desc limit $1),
  worker as (
    select sheaf.worker_is_alive(id) as is_alive, well_at > now() - interval '60 seconds' as is_well
    from sheaf.workers where stopped_at is null)
  select json_build_object(
    'openRuns', (select coalesce(json_agg(json_build_object(
        'run', r.id, 'dataset', r.dataset, 'state', r.state, 'expected', r.expected,
        'records', coalesce(p.records, 0), 'slices', coalesce(p.slices, 0), 'settled', coalesce(p.settled, 0),
        'idleSeconds', extract(epoch from now() - greatest(p.staged_at, r.begun_at)))), '[]')
      from newest r left join progress p on p.run_id = r.id),
    'runs', (select coalesce(json_object_agg(state, runs), '{}')
      from (select state, count(*) as runs from open_run group by state) by_state),
    'slices', (select coalesce(json_object_agg(state, slices), '{}')
      from (select state, sum(slices) as slices from slice group by state) by_state),
    'workers', (select json_build_object('alive', count(*) filter (where is_alive),
        'well', count(*) filter (where is_alive and is_well)) from worker),
    'gates', (select coalesce(json_agg(json_build_object(
        'source', source, 'breaker', breaker, 'failures', failures,
        'learntLimit', case when learnt_at > now() - interval '1 minute' then learnt_limit end,
        'closedSeconds', greatest(0, extract(epoch from coalesce(closed_until, now()) - now())))), '[]')
      from sheaf.gates),
    'datasets', (select coalesce(json_agg(json_build_object(
        'dataset', d.name, 'state', last.state, 'completeAt', extract(epoch from complete.finished_at))), '[]')
      from (select name from sheaf.datasets order by name limit $2) d
      cross join lateral (select state from sheaf.runs where dataset = d.name and finished_at is not null
                          order by created_at desc limit 1) last
      left join lateral (select finished_at from sheaf.runs where dataset = d.name and state = 'complete'
                         order by created_at desc limit 1) complete on true),
    'notifications', (select coalesce(json_agg(json_build_object(
        'channel', channel, 'waiting', waiting, 'givenUp', given_up,
        'oldestSeconds', coalesce(extract(epoch from now() - oldest), 0))), '[]')
      from (select channel, count(*) filter (where state = 'waiting' and attempts > 0) as waiting,
                   count(*) filter (where state = 'given-up') as given_up,
                   min(ended_at) filter (where state = 'waiting' and attempts > 0) as oldest
            from sheaf.notifications group by channel) by_channel),
    'schedules', (select coalesce(json_agg(json_build_object(
        'schedule', s.name, 'last', last.state,
        'overdueSeconds', greatest(0, coalesce(extract(epoch from now() - s.next_at), 0)))), '[]')
      from (select id, name, next_at from sheaf.schedules order by name limit $2) s
      left join lateral (select state from sheaf.schedule_firings where schedule_id = s.id
                         order by id desc limit 1) last on true),
    'feeds', (select coalesce(json_agg(json_build_object(
        'subscription', s.name,
        'state', case when s.paused_at is not null then 'paused' when lag.has_gap then 'gap'
                      when lag.failures > 0 then 'failing' else 'active' end,
        'failures', coalesce(lag.failures, 0),
        'lagSeconds', coalesce(extract(epoch from now() - lag.first), 0))), '[]')
      from (select id, name, paused_at from sheaf.subscriptions order by name limit $2) s
      left join lateral (
        select max(p.failures) as failures, bool_or(p.gap_at is not null) as has_gap, min(untold.at) as first
        from sheaf.feed_positions p join sheaf.datasets d on d.name = p.dataset
        left join lateral (select c.at from sheaf.changes c
                           where d.merged_at >= p.at and c.dataset = p.dataset and c.at >= p.at
                             and (c.at, c.key) > (p.at, p.key)
                           order by c.at, c.key limit 1) untold on true
        where p.subscription_id = s.id) lag on true)
  ) as fleet`;
