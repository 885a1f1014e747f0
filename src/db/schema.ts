import type { Actor, Role } from '../domain/actor.ts';
import type { AuditDetails, AuditOutcome } from '../domain/audit.ts';
import type { DriftKind } from '../domain/drift.ts';
import type { StoredError } from '../domain/errors.ts';
import type { BreakerState } from '../domain/gate.ts';
import type { ExportFormat, HarvestRequest, Strategy } from '../domain/harvest-request.ts';
import type { Channel, NotificationState } from '../domain/notification.ts';
import type { MergeCounts, Proof } from '../domain/proof.ts';
import type { Entity, Field, ReplayOutcome } from '../domain/record.ts';
import type { Expansion } from '../domain/relations.ts';
import type { RunState } from '../domain/run.ts';
import type { CatchUpPolicy, FiringKind, FiringState, OverlapPolicy } from '../domain/schedule.ts';
import type { SliceState } from '../domain/slice.ts';
import type { Span } from '../domain/span.ts';
import type { SubscriptionKind } from '../domain/subscription.ts';
import type { TimeWindow } from '../domain/time-window.ts';
import { bigint, boolean, integer, jsonb, pgSchema, primaryKey, real, sql, text, timestamp } from './drizzle.ts';

/**
 * The control plane's tables as drizzle sees them. The truth is `migrations/`, where the comments are, too; a test
 * holds this file against the migrated database.
 */
const sheaf = pgSchema('sheaf');
const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

export const installation = sheaf.table('installation', {
  onlyRow: boolean('only_row').primaryKey().default(true),
  id: text('id').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
  sessionKey: text('session_key')
    .notNull()
    .default(sql`encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex')`),
  changesFrom: moment('changes_from').notNull().defaultNow(),
});

export const datasets = sheaf.table('datasets', {
  name: text('name').primaryKey(),
  id: integer('id').generatedAlwaysAsIdentity().notNull(),
  source: text('source').notNull(),
  entity: text('entity').notNull(),
  keyField: text('key_field').notNull(),
  fields: jsonb('fields').$type<readonly Field[]>().notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
  fieldsAt: moment('fields_at').notNull().defaultNow(),
  mergedAt: moment('merged_at'),
  expected: bigint('expected', { mode: 'number' }),
});

export const workers = sheaf.table('workers', {
  id: integer('id').generatedAlwaysAsIdentity().primaryKey(),
  host: text('host').notNull(),
  pid: integer('pid').notNull(),
  session: text('session').notNull(),
  version: text('version').notNull(),
  concurrency: integer('concurrency').notNull(),
  startedAt: moment('started_at').notNull().defaultNow(),
  heartbeatAt: moment('heartbeat_at').notNull().defaultNow(),
  stoppedAt: moment('stopped_at'),
  wellAt: moment('well_at'),
});

export const runs = sheaf.table('runs', {
  id: text('id').primaryKey(),
  dataset: text('dataset').notNull(),
  request: jsonb('request').$type<HarvestRequest>().notNull(),
  entity: jsonb('entity').$type<Entity>().notNull(),
  state: text('state').$type<RunState>().notNull().default('planning'),
  reason: text('reason'),
  error: jsonb('error').$type<StoredError>(),
  sourceUrl: text('source_url').notNull(),
  strategy: text('strategy').$type<Strategy>().notNull(),
  span: jsonb('span').$type<Span>().notNull(),
  pageSize: integer('page_size').notNull(),
  expected: bigint('expected', { mode: 'number' }),
  generation: integer('generation').notNull().default(1),
  attempt: integer('attempt').notNull().default(0),
  finaliser: integer('finaliser'),
  planRequests: integer('plan_requests').notNull().default(0),
  createdAt: moment('created_at').notNull().defaultNow(),
  sealedAt: moment('sealed_at'),
  sliceCount: integer('slice_count'),
  mergedGeneration: integer('merged_generation').notNull().default(0),
  merge: jsonb('merge').$type<MergeCounts>(),
  proof: jsonb('proof').$type<Proof>(),
  rereads: integer('rereads').notNull().default(0),
  rereadSlices: integer('reread_slices').notNull().default(0),
  isExtended: boolean('is_extended').notNull().default(false),
  countBefore: bigint('count_before', { mode: 'number' }),
  unansweredSince: moment('unanswered_since'),
  finaliseDueAt: moment('finalise_due_at'),
  timeWindow: jsonb('time_window').$type<TimeWindow>(),
  sourceLatest: timestamp('source_latest', { mode: 'string' }),
  isPlannedWhole: boolean('is_planned_whole').notNull().default(false),
  ranges: jsonb('ranges').$type<readonly Span[]>(),
  expand: jsonb('expand').$type<readonly Expansion[]>(),
  finishedAt: moment('finished_at'),
  stalledAt: moment('stalled_at'),
});

export const slices = sheaf.table(
  'slices',
  {
    runId: text('run_id').notNull(),
    number: integer('number').notNull(),
    state: text('state').$type<SliceState>().notNull().default('pending'),
    span: jsonb('span').$type<Span>().notNull(),
    cursor: bigint('cursor', { mode: 'number' }),
    attempt: integer('attempt').notNull().default(0),
    failures: integer('failures').notNull().default(0),
    workerId: integer('worker_id'),
    pages: integer('pages').notNull().default(0),
    records: bigint('records', { mode: 'number' }).notNull().default(0),
    rejects: integer('rejects').notNull().default(0),
    requests: integer('requests').notNull().default(0),
    retries: integer('retries').notNull().default(0),
    bytes: bigint('bytes', { mode: 'number' }).notNull().default(0),
    error: jsonb('error').$type<StoredError>(),
    updatedAt: moment('updated_at').notNull().default(sql`now()`),
    dueAt: moment('due_at').notNull().default(sql`now()`),
    stagedAt: moment('staged_at'),
    related: bigint('related', { mode: 'number' }).notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.runId, table.number] })],
);

export const watermarks = sheaf.table(
  'watermarks',
  {
    dataset: text('dataset').notNull(),
    sourceUrl: text('source_url').notNull(),
    selection: text('selection').notNull(),
    filter: text('filter'),
    fields: jsonb('fields').$type<readonly string[]>(),
    reached: timestamp('reached', { mode: 'string' }).notNull(),
    runId: text('run_id').notNull(),
    movedAt: moment('moved_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.dataset, table.sourceUrl, table.selection] })],
);

export const gates = sheaf.table('gates', {
  source: text('source').primaryKey(),
  breaker: text('breaker').$type<BreakerState>().notNull().default('closed'),
  failures: integer('failures').notNull().default(0),
  timesOpened: integer('times_opened').notNull().default(0),
  closedUntil: moment('closed_until'),
  probeUntil: moment('probe_until'),
  error: jsonb('error').$type<StoredError>(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
  learntLimit: real('learnt_limit'),
  learntKept: real('learnt_kept'),
  learntGuess: boolean('learnt_guess'),
  learntAt: moment('learnt_at'),
});

export const rejects = sheaf.table('rejects', {
  id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
  runId: text('run_id').notNull(),
  sliceNumber: integer('slice_number').notNull(),
  key: text('key'),
  reason: text('reason').notNull(),
  detail: text('detail').notNull(),
  record: text('record').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
  replayedAt: moment('replayed_at'),
  outcome: text('outcome').$type<ReplayOutcome>(),
  dataset: text('dataset'),
});

export const drift = sheaf.table(
  'drift',
  {
    runId: text('run_id').notNull(),
    kind: text('kind').$type<DriftKind>().notNull(),
    field: text('field').notNull(),
    was: text('was'),
    is: text('is'),
    key: text('key'),
    seenAt: moment('seen_at').notNull().default(sql`clock_timestamp()`),
  },
  (table) => [primaryKey({ columns: [table.runId, table.kind, table.field] })],
);

export const exportFiles = sheaf.table(
  'exports',
  {
    runId: text('run_id').notNull(),
    generation: integer('generation').notNull(),
    format: text('format').$type<ExportFormat>().notNull(),
    path: text('path').notNull(),
    records: bigint('records', { mode: 'number' }).notNull(),
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    dataset: text('dataset').notNull(),
  },
  (table) => [primaryKey({ columns: [table.runId, table.generation, table.dataset, table.format] })],
);

export const audit = sheaf.table('audit', {
  id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
  at: moment('at').notNull().defaultNow(),
  actor: text('actor').notNull(),
  role: text('role').$type<Role>(),
  via: text('via').$type<Actor['via']>().notNull(),
  address: text('address'),
  action: text('action').notNull(),
  targetKind: text('target_kind'),
  targetId: text('target_id'),
  details: jsonb('details').$type<AuditDetails>().notNull().default({}),
  outcome: text('outcome').$type<AuditOutcome>().notNull(),
});

export const notifications = sheaf.table('notifications', {
  number: bigint('number', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
  id: text('id').notNull(),
  channel: text('channel').$type<Channel>().notNull(),
  runId: text('run_id').notNull(),
  runState: text('run_state').$type<RunState>().notNull(),
  reason: text('reason'),
  error: jsonb('error').$type<StoredError>(),
  endedAt: moment('ended_at').notNull(),
  state: text('state').$type<NotificationState>().notNull().default('waiting'),
  attempts: integer('attempts').notNull().default(0),
  dueAt: moment('due_at').notNull().defaultNow(),
  workerId: integer('worker_id'),
  claimedUntil: moment('claimed_until'),
  body: text('body'),
  detail: text('detail'),
  settledAt: moment('settled_at'),
});

export const runSamples = sheaf.table(
  'run_samples',
  {
    runId: text('run_id').notNull(),
    at: moment('at').notNull(),
    seconds: integer('seconds').notNull(),
    pages: integer('pages').notNull().default(0),
    records: bigint('records', { mode: 'number' }).notNull().default(0),
    rejects: integer('rejects').notNull().default(0),
    requests: integer('requests').notNull().default(0),
    retries: integer('retries').notNull().default(0),
    fetchMs: bigint('fetch_ms', { mode: 'number' }).notNull().default(0),
    fetchMaxMs: integer('fetch_max_ms').notNull().default(0),
    stageMs: bigint('stage_ms', { mode: 'number' }).notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.runId, table.at] })],
);

export const idempotency = sheaf.table(
  'idempotency',
  {
    actor: text('actor').notNull(),
    key: text('key').notNull(),
    fingerprint: text('fingerprint').notNull(),
    runId: text('run_id').notNull(),
    attempt: integer('attempt').notNull().default(1),
    busyUntil: moment('busy_until').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.actor, table.key] })],
);

export const schedules = sheaf.table('schedules', {
  id: integer('id').generatedAlwaysAsIdentity().primaryKey(),
  name: text('name').notNull(),
  cron: text('cron').notNull(),
  timeZone: text('time_zone').notNull(),
  requests: jsonb('requests').$type<readonly HarvestRequest[]>().notNull(),
  overlap: text('overlap').$type<OverlapPolicy>().notNull(),
  catchUp: text('catch_up').$type<CatchUpPolicy>().notNull(),
  catchUpWindowMs: bigint('catch_up_window_ms', { mode: 'number' }).notNull(),
  jitterMs: integer('jitter_ms').notNull(),
  nextAt: moment('next_at'),
  pausedAt: moment('paused_at'),
  createdAt: moment('created_at').notNull().defaultNow(),
});

export const scheduleFirings = sheaf.table('schedule_firings', {
  id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
  scheduleId: integer('schedule_id').notNull(),
  kind: text('kind').$type<FiringKind>().notNull(),
  dueAt: moment('due_at').notNull(),
  state: text('state').$type<FiringState>().notNull().default('waiting'),
  startAt: moment('start_at').notNull(),
  attempt: integer('attempt').notNull().default(0),
  failures: integer('failures').notNull().default(0),
  workerId: integer('worker_id'),
  reason: text('reason'),
  error: jsonb('error').$type<StoredError>(),
  createdAt: moment('created_at').notNull().defaultNow(),
  settledAt: moment('settled_at'),
});

export const scheduleRuns = sheaf.table(
  'schedule_runs',
  {
    firingId: bigint('firing_id', { mode: 'number' }).notNull(),
    position: integer('position').notNull(),
    runId: text('run_id').notNull(),
  },
  (table) => [primaryKey({ columns: [table.firingId, table.position] })],
);

export const subscriptions = sheaf.table('subscriptions', {
  id: integer('id').generatedAlwaysAsIdentity().primaryKey(),
  name: text('name').notNull(),
  kind: text('kind').$type<SubscriptionKind>().notNull(),
  target: text('target').notNull(),
  prefix: text('prefix'),
  tombstones: boolean('tombstones').notNull().default(false),
  datasets: text('datasets').array(),
  createdAt: moment('created_at').notNull().defaultNow(),
  pausedAt: moment('paused_at'),
  pausedFor: text('paused_for'),
});

export const feedPositions = sheaf.table(
  'feed_positions',
  {
    subscriptionId: integer('subscription_id').notNull(),
    dataset: text('dataset').notNull(),
    at: moment('at').notNull(),
    key: text('key').notNull().default(''),
    claim: bigint('claim', { mode: 'number' }).notNull().default(0),
    replays: integer('replays').notNull().default(0),
    workerId: integer('worker_id'),
    claimedUntil: moment('claimed_until'),
    servedAt: moment('served_at'),
    failures: integer('failures').notNull().default(0),
    dueAt: moment('due_at').notNull().defaultNow(),
    error: text('error'),
    deliveredAt: moment('delivered_at'),
    gapAt: moment('gap_at'),
  },
  (table) => [primaryKey({ columns: [table.subscriptionId, table.dataset] })],
);

export type RunRow = typeof runs.$inferSelect;
export type SliceRow = typeof slices.$inferSelect;
export type DatasetRow = typeof datasets.$inferSelect;
export type RejectRow = typeof rejects.$inferSelect;
export type WorkerRow = typeof workers.$inferSelect;
export type AuditRow = typeof audit.$inferSelect;
export type ScheduleRow = typeof schedules.$inferSelect;
export type SubscriptionRow = typeof subscriptions.$inferSelect;
export type FiringRow = typeof scheduleFirings.$inferSelect;
