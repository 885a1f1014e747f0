import { Gauge, type Registry } from 'prom-client';
import { checkAnswers } from '../db/database.ts';
import { type FleetState, readFleet } from '../db/queries/fleet.ts';
import { keepAnswer } from './kept-answer.ts';
import type { QueueDepth, ServerContext } from './server-context.ts';

/** A scrape waits no longer for a store. */
const KEEP = { keepMs: 1_000, withinMs: 2_000 } as const;
/** Open runs beyond this many, the newest, have no series of their own. */
const MOST_OPEN_RUNS = 20;

type GaugeOf = (name: string, help: string, ...labelNames: string[]) => Gauge;

/**
 * Adds to the registry what the stores know: that they answer and, for a server, the state of the fleet. Returns what
 * brings it up to date before a scrape. Of a store that is away nothing is said but that it is.
 */
export function createFleetMetrics(
  { database, metrics, queueDepths }: ServerContext,
  { hasFleet }: { readonly hasFleet: boolean },
): () => Promise<void> {
  const gauge = gaugesOf(metrics.registry);
  const up = gauge('sheaf_store_up', 'Whether the store answers: 1 or 0.', 'store');
  const showFleet = hasFleet ? createLedgerGauges(gauge) : () => undefined;
  const showQueues = hasFleet ? createQueueGauges(gauge) : () => undefined;
  const askLedger = keepAnswer<FleetState | undefined>(KEEP, async () => {
    if (hasFleet) return readFleet(database, { openRuns: MOST_OPEN_RUNS, timeoutMs: KEEP.withinMs });
    await checkAnswers(database, KEEP.withinMs);
    return undefined;
  });
  const askQueues = keepAnswer(KEEP, queueDepths);
  return async () => {
    const [fleet, queues] = await Promise.allSettled([askLedger(), askQueues()]);
    up.set({ store: 'database' }, fleet.status === 'fulfilled' ? 1 : 0);
    up.set({ store: 'queue' }, queues.status === 'fulfilled' ? 1 : 0);
    showFleet(fleet.status === 'fulfilled' ? fleet.value : undefined);
    showQueues(queues.status === 'fulfilled' ? queues.value : []);
  };
}

function gaugesOf(registry: Registry): GaugeOf {
  return (name, help, ...labelNames) => new Gauge({ name, help, labelNames, registers: [registry] });
}

function createQueueGauges(gauge: GaugeOf): (depths: readonly QueueDepth[]) => void {
  const jobs = gauge('sheaf_queue_jobs', "Jobs of a queue, by BullMQ's states.", 'queue', 'state');
  const oldest = gauge(
    'sheaf_queue_oldest_waiting_seconds',
    'For how long the first waiting job of a queue could have been taken; 0 when none waits.',
    'queue',
  );
  return (depths) => {
    jobs.reset();
    oldest.reset();
    for (const depth of depths) {
      const { queue } = depth;
      for (const [state, count] of Object.entries(depth.jobs)) jobs.set({ queue, state }, count);
      oldest.set({ queue }, depth.oldestWaitingMs / 1_000);
    }
  };
}

type Show = (fleet: FleetState) => void;

/** Every gauge of the ledger is emptied first, so that nothing is said of what is no more, or is not known. */
function createLedgerGauges(gauge: GaugeOf): (fleet: FleetState | undefined) => void {
  const made: Gauge[] = [];
  const make: GaugeOf = (...words) => {
    const one = gauge(...words);
    made.push(one);
    return one;
  };
  const shows = [showStates, showRuns, showGates, showDatasets, showNotifications, showSchedules, showFeeds].map(
    (create) => create(make),
  );
  return (fleet) => {
    for (const each of made) each.reset();
    if (fleet !== undefined) for (const show of shows) show(fleet);
  };
}

const OPEN_STATES = ['planning', 'fetching', 'paused', 'finalising'] as const;
const SLICE_STATES = ['pending', 'working', 'done', 'failed'] as const;

function showStates(gauge: GaugeOf): Show {
  const runs = gauge('sheaf_runs', 'Runs that have not ended, by state.', 'state');
  const slices = gauge('sheaf_slices', 'Slices of the runs that have not ended, by state.', 'state');
  const workers = gauge(
    'sheaf_workers',
    'Workers of the fleet: alive, and of these well, which is having both stores and taking work.',
    'state',
  );
  return (fleet) => {
    for (const state of OPEN_STATES) runs.set({ state }, fleet.runs[state] ?? 0);
    for (const state of SLICE_STATES) slices.set({ state }, fleet.slices[state] ?? 0);
    workers.set({ state: 'alive' }, fleet.workers.alive);
    workers.set({ state: 'well' }, fleet.workers.well);
  };
}

function showRuns(gauge: GaugeOf): Show {
  const labels = ['run', 'dataset'];
  const expected = gauge('sheaf_run_expected_records', 'What the source said an open run would find.', ...labels);
  const records = gauge('sheaf_run_records', 'Records that an open run has staged.', ...labels);
  const slices = gauge('sheaf_run_slices', 'Slices of an open run.', ...labels);
  const settled = gauge('sheaf_run_settled_slices', 'Of these, done or failed for good.', ...labels);
  const idle = gauge(
    'sheaf_run_idle_seconds',
    'For how long an open run has staged no page, by the state it is in.',
    ...labels,
    'state',
  );
  return ({ openRuns }) => {
    for (const each of openRuns) {
      const { run, dataset, state } = each;
      if (each.expected !== null) expected.set({ run, dataset }, each.expected);
      records.set({ run, dataset }, each.records);
      slices.set({ run, dataset }, each.slices);
      settled.set({ run, dataset }, each.settled);
      idle.set({ run, dataset, state }, each.idleSeconds);
    }
  };
}

const BREAKERS = ['closed', 'half-open', 'open'] as const;

function showGates(gauge: GaugeOf): Show {
  const breaker = gauge('sheaf_gate_breaker', "1 for the state that a source's breaker is in.", 'source', 'breaker');
  const closed = gauge('sheaf_gate_closed_seconds', 'For how much longer no request passes; 0 when they do.', 'source');
  const failures = gauge('sheaf_gate_failures_in_row', 'Failed requests in a row, of all workers together.', 'source');
  const learnt = gauge(
    'sheaf_gate_learnt_requests_per_second',
    'What the source was found to bear when it last throttled the fleet; gone after a minute.',
    'source',
  );
  return ({ gates }) => {
    for (const { source, ...gate } of gates) {
      for (const each of BREAKERS) breaker.set({ source, breaker: each }, gate.breaker === each ? 1 : 0);
      closed.set({ source }, gate.closedSeconds);
      failures.set({ source }, gate.failures);
      if (gate.learntLimit !== null) learnt.set({ source }, gate.learntLimit);
    }
  };
}

function showDatasets(gauge: GaugeOf): Show {
  const last = gauge(
    'sheaf_dataset_last_run',
    '1 for the state that the newest ended run ended in.',
    'dataset',
    'state',
  );
  const complete = gauge(
    'sheaf_dataset_last_complete_timestamp_seconds',
    'When the newest complete run of a dataset ended, in seconds since 1970.',
    'dataset',
  );
  return ({ datasets }) => {
    for (const { dataset, state, completeAt } of datasets) {
      last.set({ dataset, state }, 1);
      if (completeAt !== null) complete.set({ dataset }, completeAt);
    }
  };
}

function showNotifications(gauge: GaugeOf): Show {
  const counts = gauge(
    'sheaf_notifications',
    'Ends of runs that were not told yet: waiting for another try, or given up.',
    'channel',
    'state',
  );
  const oldest = gauge(
    'sheaf_notification_oldest_waiting_seconds',
    'For how long the first of the notifications that wait for another try has not been delivered.',
    'channel',
  );
  return ({ notifications }) => {
    for (const { channel, waiting, givenUp, oldestSeconds } of notifications) {
      counts.set({ channel, state: 'waiting' }, waiting);
      counts.set({ channel, state: 'given-up' }, givenUp);
      oldest.set({ channel }, oldestSeconds);
    }
  };
}

function showSchedules(gauge: GaugeOf): Show {
  const overdue = gauge(
    'sheaf_schedule_overdue_seconds',
    'For how long the next time of a schedule has passed without it firing; 0 when it is to come.',
    'schedule',
  );
  const last = gauge(
    'sheaf_schedule_last_firing',
    '1 for the state of the newest firing: waiting, starting, started, skipped or failed.',
    'schedule',
    'state',
  );
  return ({ schedules }) => {
    for (const { schedule, overdueSeconds, last: state } of schedules) {
      overdue.set({ schedule }, overdueSeconds);
      if (state !== null) last.set({ schedule, state }, 1);
    }
  };
}

const FEED_STATES = ['active', 'failing', 'gap', 'paused'] as const;

function showFeeds(gauge: GaugeOf): Show {
  const states = gauge('sheaf_feed_state', '1 for the state that a subscription is in.', 'subscription', 'state');
  const lag = gauge(
    'sheaf_feed_lag_seconds',
    'For how long the first change that a subscriber was not told has been there; 0 when it was told all.',
    'subscription',
  );
  const failures = gauge(
    'sheaf_feed_failures_in_row',
    'Tries to tell a subscriber that failed in a row, of the dataset that has most of them.',
    'subscription',
  );
  return ({ feeds }) => {
    for (const { subscription, state, ...feed } of feeds) {
      for (const each of FEED_STATES) states.set({ subscription, state: each }, state === each ? 1 : 0);
      lag.set({ subscription }, feed.lagSeconds);
      failures.set({ subscription }, feed.failures);
    }
  };
}
