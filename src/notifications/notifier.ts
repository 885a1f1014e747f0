import type { Database } from '../db/database.ts';
import {
  claimNotification,
  closeUnwanted,
  keepBody,
  type Notification,
  pruneNotifications,
  putOffNotification,
  settleNotification,
} from '../db/queries/notifications.ts';
import { pauseAfterTry, type RunEnded } from '../domain/notification.ts';
import type { RunReport } from '../domain/report.ts';
import type { RunState } from '../domain/run.ts';
import type { Telemetry } from '../telemetry/events.ts';
import type { Deliverer, Delivery, Message } from './delivery.ts';

export interface NotifierContext {
  readonly database: Database;
  readonly telemetry: Telemetry;
  /** What is to be said of a run. */
  readonly report: (run: string) => Promise<RunReport>;
  /** This process in the ledger. */
  readonly workerId: number;
}

export interface NotifierOptions {
  /** None where nobody is to be told; then only old rows are thrown away. */
  readonly deliverers: readonly Deliverer[];
  /** The ends that are told. */
  readonly states: readonly RunState[];
}

export interface Notifier {
  /** Delivers all that is due. Calls that come meanwhile share the work. */
  tend(): Promise<void>;
  /** Delivers what is due once more, within bounds. Nothing is delivered after that. */
  stop(): Promise<void>;
}

/** A try takes a minute at most; a worker that has said nothing for longer has lost it. */
const LEASE_MS = 120_000;
const PRUNE_MS = 600_000;
/** A process that ends begins no further try after this. */
const LAST_PASS_MS = 15_000;

/**
 * Tells of the ends of runs, at least once each, and in order for each run. The outbox holds them; any worker that is set
 * up for a channel delivers. What was sent by a worker that died before it could note so is sent again, with the same id.
 */
export function createNotifier(context: NotifierContext, { deliverers, states }: NotifierOptions): Notifier {
  const { database } = context;
  let endsAt = Number.POSITIVE_INFINITY;
  let prunedAt = Number.NEGATIVE_INFINITY;
  let isAsked = false;
  let running: Promise<void> | undefined;

  const deliverDue = async (deliverer: Deliverer): Promise<void> => {
    const { channel } = deliverer;
    await closeUnwanted(database, channel, states);
    const lease = { workerId: context.workerId, leaseMs: LEASE_MS };
    while (performance.now() < endsAt) {
      const notification = await claimNotification(database, channel, lease);
      if (notification === undefined) return;
      await attempt(context, deliverer, notification);
    }
  };

  const prune = async (): Promise<void> => {
    if (performance.now() - prunedAt < PRUNE_MS) return;
    prunedAt = performance.now();
    await pruneNotifications(database);
  };

  const work = async (): Promise<void> => {
    while (isAsked) {
      isAsked = false;
      await Promise.all(deliverers.map(deliverDue)); // side by side: a slow receiver must not hold up a quick one
      await prune();
    }
  };

  const tend = (): Promise<void> => {
    isAsked = true;
    running ??= work().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    tend: async () => {
      if (endsAt === Number.POSITIVE_INFINITY) await tend();
    },
    stop: async () => {
      if (endsAt !== Number.POSITIVE_INFINITY) return;
      endsAt = performance.now() + LAST_PASS_MS;
      await tend();
    },
  };
}

async function attempt(context: NotifierContext, { deliver }: Deliverer, notification: Notification): Promise<void> {
  const startedAt = performance.now();
  const message = await messageOf(context, notification);
  const delivery = await deliver(message);
  await note(context, notification, { delivery, durationMs: Math.round(performance.now() - startedAt) });
}

async function messageOf({ database, report }: NotifierContext, notification: Notification): Promise<Message> {
  const { id, run, runState } = notification;
  const body = notification.body ?? JSON.stringify(describe(await report(run), notification));
  if (notification.body === null) await keepBody(database, notification, body);
  const { dataset } = (JSON.parse(body) as RunEnded).run;
  return { id, run, state: runState, dataset, body };
}

/** The report as it was when the run ended, as far as a run that has been opened again since still tells. */
function describe(report: RunReport, { id, runState, reason, error, endedAt }: Notification): RunEnded {
  const isUnchanged = report.state === runState;
  const run = isUnchanged ? report : { ...report, state: runState, reason, error };
  return { type: 'run.ended', id, at: endedAt.toISOString(), run };
}

interface Tried {
  readonly delivery: Delivery;
  readonly durationMs: number;
}

async function note(
  { database, telemetry }: NotifierContext,
  notification: Notification,
  { delivery, durationMs }: Tried,
): Promise<void> {
  const { run, id, channel, attempts } = notification;
  const { kind, detail } = delivery;
  const told = { run, id, channel, attempt: attempts, durationMs, detail };
  if (kind === 'delivered') {
    await settleNotification(database, notification, { state: 'delivered', detail });
    telemetry.emit('notification.delivered', told);
    return;
  }
  const pauseMs = kind === 'refused' ? null : pauseAfterTry(attempts);
  if (pauseMs === null) await settleNotification(database, notification, { state: 'given-up', detail });
  else await putOffNotification(database, notification, { pauseMs, detail });
  telemetry.emit('notification.failed', { ...told, againInMs: pauseMs });
}
