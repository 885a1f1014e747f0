import type { Database } from '../db/database.ts';
import {
  claimNotification,
  closeUnwanted,
  giveUpExhausted,
  keepBody,
  type Notification,
  pruneNotifications,
  putOffNotification,
  settleNotification,
} from '../db/queries/notifications.ts';
import { MOST_TRIES, PAUSES_MS, pauseAfterTry, type RunEnded } from '../domain/notification.ts';
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
  /** Delivers what is due once more, for a few seconds, and breaks off what takes longer. Nothing is delivered after that. */
  stop(): Promise<void>;
}

/** A try takes a minute at most; a worker that has said nothing for longer has lost it. */
const LEASE_MS = 120_000;
const PRUNE_MS = 600_000;
/** A process that ends breaks off after this: its supervisor kills it soon, and others are there to go on. */
const LAST_PASS_MS = 3_000;

/**
 * Tells of the ends of runs, at least once each, and in order for each run. The outbox holds them; any worker that is set
 * up for a channel delivers. What was sent by a worker that died before it could note so is sent again, with the same id.
 */
export function createNotifier(context: NotifierContext, { deliverers, states }: NotifierOptions): Notifier {
  const { database } = context;
  const ending = new AbortController();
  let isStopped = false;
  let prunedAt = Number.NEGATIVE_INFINITY;
  let isAsked = false;
  let running: Promise<void> | undefined;

  const deliverDue = async (deliverer: Deliverer): Promise<void> => {
    const { channel } = deliverer;
    await closeUnwanted(database, channel, states);
    await giveUp(context, channel);
    const lease = { workerId: context.workerId, leaseMs: LEASE_MS, pausesMs: PAUSES_MS };
    while (!ending.signal.aborted) {
      const notification = await claimNotification(database, channel, lease);
      if (notification === undefined) return;
      await attempt(context, { deliverer, stop: ending.signal }, notification);
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
      if (!isStopped) await tend();
    },
    stop: async () => {
      if (isStopped) return;
      isStopped = true;
      const timer = setTimeout(() => ending.abort(), LAST_PASS_MS);
      await tend().finally(() => clearTimeout(timer));
    },
  };
}

interface Means {
  readonly deliverer: Deliverer;
  readonly stop: AbortSignal;
}

async function attempt(
  context: NotifierContext,
  { deliverer, stop }: Means,
  notification: Notification,
): Promise<void> {
  const startedAt = performance.now();
  const noteTry = (delivery: Delivery, isBrokenOff: boolean) =>
    note(context, notification, { delivery, isBrokenOff, durationMs: Math.round(performance.now() - startedAt) });
  try {
    const delivery = await deliverer.deliver(await messageOf(context, notification), stop);
    await noteTry(delivery, stop.aborted && delivery.kind === 'failed');
  } catch (error) {
    // What cannot be said or noted is no reason to try without end: it counts as a try that has failed.
    const delivery = { kind: 'failed', detail: 'the message or what came of it could not be written' } as const;
    await noteTry(delivery, false).catch(() => undefined); // the database is away: the lease holds it back
    throw error;
  }
}

/** Gives up what has had all its tries without a word on how the last one went. */
async function giveUp({ database, telemetry }: NotifierContext, channel: Deliverer['channel']): Promise<void> {
  const detail = 'whoever tried last could not note what came of it';
  for (const { run, id, attempts } of await giveUpExhausted(database, channel, { tries: MOST_TRIES, detail })) {
    telemetry.emit('notification.failed', {
      ...{ run, id, channel, attempt: attempts, durationMs: 0, detail },
      againInMs: null,
    });
  }
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
  /** By the end of this process: then there is always another try. */
  readonly isBrokenOff: boolean;
  readonly durationMs: number;
}

async function note(
  { database, telemetry }: NotifierContext,
  notification: Notification,
  { delivery, isBrokenOff, durationMs }: Tried,
): Promise<void> {
  const { run, id, channel, attempts } = notification;
  const { kind } = delivery;
  const detail = delivery.detail.replaceAll('\0', '\ufffd'); // text cannot hold U+0000
  const told = { run, id, channel, attempt: attempts, durationMs, detail };
  if (kind === 'delivered') {
    await settleNotification(database, notification, { state: 'delivered', detail });
    telemetry.emit('notification.delivered', told);
    return;
  }
  const counted = isBrokenOff ? Math.min(attempts, MOST_TRIES - 1) : attempts;
  const pauseMs = kind === 'refused' ? null : pauseAfterTry(counted);
  if (pauseMs === null) await settleNotification(database, notification, { state: 'given-up', detail });
  else await putOffNotification(database, notification, { pauseMs, detail, counted });
  telemetry.emit('notification.failed', { ...told, againInMs: pauseMs });
}
