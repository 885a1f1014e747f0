import { onTestFinished } from 'vitest';
import { installationId } from '../../src/db/queries/installation.ts';
import { type FeedStart, insertSubscription, type NewSubscription } from '../../src/db/queries/subscriptions.ts';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { openWorkerSession } from '../../src/db/worker-session.ts';
import type { FeedMessage } from '../../src/feed/target.ts';
import { createFeeder, type Feeder } from '../../src/feed/tell-changes.ts';
import type { Delivery } from '../../src/notifications/delivery.ts';
import type { SheafContext } from '../../src/runtime/context.ts';
import type { FeedProgress, SubscriptionReport } from '../../src/runtime/subscriptions.ts';
import { describeSubscriptions } from '../../src/runtime/subscriptions.ts';

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
  { database }: SheafContext,
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
  { database, telemetry }: SheafContext,
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

export async function reportOf({ database }: SheafContext, name: string): Promise<SubscriptionReport> {
  const report = (await describeSubscriptions({ database })).find((each) => each.name === name);
  if (report === undefined) throw new Error(`no subscription ${name}`);
  return report;
}

export async function progressOf(context: SheafContext, name: string, dataset: string): Promise<FeedProgress> {
  const progress = (await reportOf(context, name)).progress.find((each) => each.dataset === dataset);
  if (progress === undefined) throw new Error(`${name} is not told of ${dataset}`);
  return progress;
}

/** As if the pause after a failed try were over. */
export async function becomeDue({ database }: SheafContext): Promise<void> {
  await database.pool.query('update sheaf.feed_positions set due_at = now()');
}
