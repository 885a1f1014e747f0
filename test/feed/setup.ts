import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { type Database, inTransaction } from '../../src/db/database.ts';
import { ensureDataset } from '../../src/db/queries/datasets.ts';
import { installationId } from '../../src/db/queries/installation.ts';
import { beginMerge, noteMerged } from '../../src/db/queries/merge.ts';
import { type FeedStart, insertSubscription, type NewSubscription } from '../../src/db/queries/subscriptions.ts';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { openWorkerSession } from '../../src/db/worker-session.ts';
import type { FeedMessage } from '../../src/feed/target.ts';
import { createFeeder, type Feeder } from '../../src/feed/tell-changes.ts';
import type { Delivery } from '../../src/notifications/delivery.ts';
import type { FeedProgress, SubscriptionReport } from '../../src/runtime/subscriptions.ts';
import { describeSubscriptions } from '../../src/runtime/subscriptions.ts';
import { createTelemetry, type Telemetry } from '../../src/telemetry/events.ts';
import { freshDatabase } from '../support/database.ts';
import { partitionFor } from '../support/partition.ts';

/** What the feed needs of a Sheaf. */
export interface Ledger {
  readonly database: Database;
  readonly telemetry: Telemetry;
}

/** A database of its own with these datasets, in which nothing has been merged. */
export async function openLedger(...datasets: string[]): Promise<Ledger> {
  const database = await freshDatabase();
  for (const name of datasets) await addDataset(database, name);
  return { database, telemetry: createTelemetry() };
}

export async function addDataset(database: Database, name: string): Promise<void> {
  const entity = { name, keyField: 'id', timestampField: null, fields: [], relations: [] };
  await ensureDataset(database, { name, source: 'oda', entity, expected: null });
  await partitionFor(database, name);
}

/** A merge that brings records, or newer versions of them. Returns its run. */
export async function merge(
  ledger: Ledger,
  dataset: string,
  records: Readonly<Record<string, object>>,
): Promise<string> {
  const { run, commit } = await openMerge(ledger, dataset, records);
  await commit();
  return run;
}

/** A merge that has written all it brings, and stays open until it is committed. */
export async function openMerge(
  { database }: Ledger,
  dataset: string,
  records: Readonly<Record<string, object>>,
): Promise<{ run: string; commit: () => Promise<void> }> {
  const run = randomUUID();
  const { promise: written, resolve: isWritten } = Promise.withResolvers<void>();
  const { promise: goOn, resolve } = Promise.withResolvers<void>();
  const merging = inTransaction(database.pool, async (client) => {
    const at = await beginMerge(client, dataset);
    await client.query(
      `with came as (select c.key collate "C" as key, c.value as data, r.data as before
                     from jsonb_each($4::jsonb) c left join sheaf.records r on r.dataset = $2 and r.key = c.key collate "C"),
            noted as (insert into sheaf.changes (at, dataset, key, kind, run_id, fields, before)
                      select $1::timestamptz, $2, key, case when before is null then 'insert' else 'update' end, $3,
                             case when before is not null then sheaf.differing_fields(before, data) end, before from came)
       insert into sheaf.records (dataset, key, data, hash, first_seen_at, changed_at)
       select $2, key, data, gen_random_uuid(), $1::timestamptz, $1::timestamptz from came
       on conflict (dataset, key) do update set data = excluded.data, changed_at = excluded.changed_at`,
      [at, dataset, run, JSON.stringify(records)],
    );
    await noteMerged(client, dataset, at);
    isWritten();
    await goOn;
  });
  await Promise.race([written, merging]);
  const commit = () => {
    resolve();
    return merging;
  };
  return { run, commit };
}

/** So many records, that differ with their number. */
export const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, number) => [String(number + 1), { id: number + 1, count }]));

export const SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;

/** A change as a subscriber is told of it. */
export interface Told {
  readonly dataset: string;
  readonly key: string;
  readonly kind: 'insert' | 'update' | 'delete';
  readonly at: string;
  readonly run: string;
  readonly fields: readonly string[] | null;
  readonly otherKey: string | null;
  readonly omitted: readonly string[] | null;
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly before: Readonly<Record<string, unknown>> | null;
}

/** Subscribes a webhook that is only ever reached by a feeder's own `answer`. */
export async function subscribe(
  { database }: Pick<Ledger, 'database'>,
  name: string,
  more: { readonly from?: FeedStart; readonly datasets?: readonly string[] | null } = {},
): Promise<void> {
  const target = { kind: 'webhook', target: 'http://127.0.0.1:9/', prefix: null, tombstones: false } as const;
  const subscription: NewSubscription = { name, ...target, datasets: null, from: 'start', ...more };
  await insertSubscription(database, subscription);
}

export const delivered: Delivery = { kind: 'delivered', detail: 'taken' };
export const failed: Delivery = { kind: 'failed', detail: 'not now' };

type Answer = (message: FeedMessage, count: number, stop: AbortSignal) => Delivery | Promise<Delivery>;

/** A worker's feeder of its own, whose subscribers answer as they are told, and what they were sent. */
export async function openFeeder(
  { database, telemetry }: Ledger,
  answer: Answer = () => delivered,
): Promise<{ feeder: Feeder; messages: FeedMessage[]; workerId: number; errors: unknown[] }> {
  const messages: FeedMessage[] = [];
  const errors: unknown[] = [];
  const facts = { host: 'here', pid: 1, session: 'test', version: '0', concurrency: 1 };
  const workerId = await registerWorker(database, facts);
  const session = await openWorkerSession(database, workerId); // whoever is not alive has lost what it took
  onTestFinished(() => session.close());
  const feeder = createFeeder({
    ...{ database, telemetry, workerId, installation: await installationId(database) },
    whyNot: async () => null,
    openTarget: async () => ({
      deliver: async (message, stop) => answer(message, messages.push(message), stop),
      close: async () => undefined,
    }),
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => feeder.stop());
  return { feeder, messages, workerId, errors };
}

export const toldIn = (messages: readonly FeedMessage[]): Told[] =>
  messages.flatMap(({ changes }) => changes.map(({ text }) => JSON.parse(text) as Told));

export async function reportOf({ database }: Pick<Ledger, 'database'>, name: string): Promise<SubscriptionReport> {
  const report = (await describeSubscriptions({ database })).find((each) => each.name === name);
  if (report === undefined) throw new Error(`no subscription ${name}`);
  return report;
}

export async function progressOf(
  context: Pick<Ledger, 'database'>,
  name: string,
  dataset: string,
): Promise<FeedProgress> {
  const progress = (await reportOf(context, name)).progress.find((each) => each.dataset === dataset);
  if (progress === undefined) throw new Error(`${name} is not told of ${dataset}`);
  return progress;
}

/** As if the pause after a failed try were over. */
export async function becomeDue({ database }: Pick<Ledger, 'database'>): Promise<void> {
  await database.pool.query('update sheaf.feed_positions set due_at = now()');
}
