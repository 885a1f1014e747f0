import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { EventName, SheafEvents, Telemetry } from './events.ts';

/** What one process counts of its own work, for Prometheus. Everything is in seconds, bytes or plain counts. */
export interface Metrics {
  /** Others may add to it; it is this object's own, and not the package's global one. */
  readonly registry: Registry;
  /** Counts no further. */
  stop(): void;
}

export interface MetricsOptions {
  readonly version: string;
  /** What carries the queues. */
  readonly engine: string;
}

type Listen = <Name extends EventName>(name: Name, listener: (event: SheafEvents[Name]) => void) => void;

/** From 5 ms, which a source in the same room takes, to a minute, when it is given up. */
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const STORE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
/** A merge of millions of rows takes minutes. */
const STEP_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600];

/** Counts what the telemetry tells. Make one a process: the process's own figures are among them. */
export function createMetrics(telemetry: Telemetry, { version, engine }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'sheaf_build_info',
    help: 'Always 1; its labels say what runs here.',
    labelNames: ['version', 'node', 'engine'],
    registers,
  }).set({ version, node: process.versions.node, engine }, 1);
  const silence: (() => void)[] = [];
  const listen: Listen = (name, listener) => {
    telemetry.on(name, listener);
    silence.push(() => telemetry.off(name, listener));
  };
  countRequests(listen, registers);
  countGates(listen, registers);
  countPages(listen, registers);
  countSlices(listen, registers);
  countFinalisations(listen, registers);
  countRepairs(listen, registers);
  countNotifications(listen, registers);
  countFeed(listen, registers);
  countAnswers(listen, registers);
  return {
    registry,
    stop: () => {
      for (const each of silence) each();
    },
  };
}

function countRequests(listen: Listen, registers: Registry[]): void {
  const requests = new Counter({
    name: 'sheaf_requests_total',
    help: 'Requests sent to sources, by HTTP status; "none" where no answer came.',
    labelNames: ['source', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'sheaf_request_duration_seconds',
    help: 'How long sources took to answer, the body included.',
    labelNames: ['source', 'status'],
    buckets: REQUEST_BUCKETS,
    registers,
  });
  const bytes = new Counter({
    name: 'sheaf_response_bytes_total',
    help: 'Bytes of the answers of sources.',
    labelNames: ['source'],
    registers,
  });
  const retries = new Counter({
    name: 'sheaf_request_retries_total',
    help: 'Requests that were sent again, by the code of the error (docs/errors.md).',
    labelNames: ['source', 'code'],
    registers,
  });
  listen('request.finished', ({ source, status, durationMs, bytes: size }) => {
    const labels = { source, status: statusOf(status) };
    requests.inc(labels);
    durations.observe(labels, durationMs / 1_000);
    bytes.inc({ source }, size);
  });
  listen('request.retried', ({ source, error }) => retries.inc({ source, code: error.code }));
}

/** A server that makes up statuses must not make up series. */
function statusOf(status: number): string {
  if (status === 0) return 'none';
  return status >= 100 && status < 600 ? String(status) : 'other';
}

function countGates(listen: Listen, registers: Registry[]): void {
  const labelNames = ['source'];
  const closings = new Counter({
    name: 'sheaf_gate_closings_total',
    help: 'How often a source asked to be left alone for a while (Retry-After).',
    labelNames,
    registers,
  });
  const rate = new Gauge({
    name: 'sheaf_gate_slowed_requests_per_second',
    help: "Requests a second that the fleet went on with when this process's request was last throttled.",
    labelNames,
    registers,
  });
  const atOnce = new Gauge({
    name: 'sheaf_gate_narrowed_requests',
    help: 'Requests at once that this process went on with when the source last got slow.',
    labelNames,
    registers,
  });
  listen('gate.closed', ({ source }) => closings.inc({ source }));
  listen('gate.slowed', ({ source, requestsPerSecond }) => rate.set({ source }, requestsPerSecond));
  listen('gate.narrowed', ({ source, requestsAtOnce }) => atOnce.set({ source }, requestsAtOnce));
}

function countPages(listen: Listen, registers: Registry[]): void {
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames: ['dataset'], registers });
  const pages = counter('sheaf_pages_total', 'Pages staged.');
  const records = counter('sheaf_records_total', 'Records staged.');
  const rejects = counter('sheaf_rejects_total', 'Records that could not be taken.');
  const durations = new Histogram({
    name: 'sheaf_page_store_duration_seconds',
    help: 'How long a transaction took that stages pages.',
    buckets: STORE_BUCKETS,
    registers,
  });
  listen('pages.staged', (staged) => {
    const { dataset } = staged;
    pages.inc({ dataset }, staged.pages);
    records.inc({ dataset }, staged.records);
    rejects.inc({ dataset }, staged.rejects); // by 0 as well: a series must be there before it can be seen to rise
    durations.observe(staged.durationMs / 1_000);
  });
}

function countSlices(listen: Listen, registers: Registry[]): void {
  const claimed = new Counter({ name: 'sheaf_slices_claimed_total', help: 'Attempts at slices begun.', registers });
  const settled = new Counter({
    name: 'sheaf_slices_settled_total',
    help: 'Attempts at slices that ended: staged, handed-back, postponed, failed, abandoned or poison.',
    labelNames: ['outcome'],
    registers,
  });
  const split = new Counter({
    name: 'sheaf_slices_split_total',
    help: 'Slices that were split off dense ones.',
    registers,
  });
  listen('slice.claimed', () => claimed.inc());
  listen('slice.settled', ({ outcome }) => settled.inc({ outcome }));
  listen('slice.split', () => split.inc());
}

function countFinalisations(listen: Listen, registers: Registry[]): void {
  const steps = new Histogram({
    name: 'sheaf_finalise_step_duration_seconds',
    help: 'How long the steps of finalising took: verify, judge, export, merge, publish. Files are written beside verifying, judging what is gone, and the merge, which waits for them.',
    labelNames: ['step'],
    buckets: STEP_BUCKETS,
    registers,
  });
  const merged = new Counter({
    name: 'sheaf_merged_records_total',
    help: 'Records that merges found inserted, updated, unchanged or deleted.',
    labelNames: ['dataset', 'change'],
    registers,
  });
  const rereads = new Counter({
    name: 'sheaf_rereads_total',
    help: 'Rounds of fetching slices once more because the source had changed.',
    registers,
  });
  listen('finalise.step', ({ step, durationMs }) => steps.observe({ step }, durationMs / 1_000));
  listen('run.merged', ({ dataset, ...counts }) => {
    for (const change of CHANGES) merged.inc({ dataset, change }, counts[change]);
  });
  listen('run.reread', () => rereads.inc());
}

const CHANGES = ['inserted', 'updated', 'unchanged', 'deleted'] as const;

function countRepairs(listen: Listen, registers: Registry[]): void {
  const repairs = new Counter({
    name: 'sheaf_repairs_total',
    help: 'Slices that were put right because a worker had died, the queue had lost jobs, or PostgreSQL rows.',
    labelNames: ['what'],
    registers,
  });
  const trouble = new Counter({
    name: 'sheaf_connection_troubles_total',
    help: 'Failed uses of a store.',
    labelNames: ['store'],
    registers,
  });
  const deaf = new Counter({
    name: 'sheaf_worker_deaf_total',
    help: "How often a queue's worker took nothing though jobs waited, and was started anew.",
    labelNames: ['queue'],
    registers,
  });
  listen('reconcile.repaired', ({ what, count }) => repairs.inc({ what }, count));
  listen('connection.trouble', ({ store }) => trouble.inc({ store }));
  listen('worker.deaf', ({ queue }) => deaf.inc({ queue }));
}

function countNotifications(listen: Listen, registers: Registry[]): void {
  const tries = new Counter({
    name: 'sheaf_notification_tries_total',
    help: 'Tries to tell of the end of a run: delivered, failed, or given-up with the last failure.',
    labelNames: ['channel', 'outcome'],
    registers,
  });
  listen('notification.delivered', ({ channel }) => tries.inc({ channel, outcome: 'delivered' }));
  listen('notification.failed', ({ channel, againInMs }) =>
    tries.inc({ channel, outcome: againInMs === null ? 'given-up' : 'failed' }),
  );
}

function countFeed(listen: Listen, registers: Registry[]): void {
  const tries = new Counter({
    name: 'sheaf_feed_tries_total',
    help: 'Tries to tell a subscriber of changes: delivered or failed.',
    labelNames: ['subscription', 'outcome'],
    registers,
  });
  const changes = new Counter({
    name: 'sheaf_feed_changes_total',
    help: 'Changes that a subscriber was told, those that it was told again among them.',
    labelNames: ['subscription'],
    registers,
  });
  listen('feed.delivered', ({ subscription, changes: count }) => {
    tries.inc({ subscription, outcome: 'delivered' });
    changes.inc({ subscription }, count);
  });
  listen('feed.failed', ({ subscription }) => tries.inc({ subscription, outcome: 'failed' }));
}

function countAnswers(listen: Listen, registers: Registry[]): void {
  const durations = new Histogram({
    name: 'sheaf_http_request_duration_seconds',
    help: "How long this process's own server took to answer, by route.",
    labelNames: ['method', 'route', 'status'],
    buckets: REQUEST_BUCKETS,
    registers,
  });
  listen('http.answered', ({ method, route, status, durationMs }) =>
    durations.observe({ method, route, status }, durationMs / 1_000),
  );
}
