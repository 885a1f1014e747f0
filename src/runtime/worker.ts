import { EventEmitter } from 'node:events';
import { releaseForgottenFinalisations } from '../db/queries/runs.ts';
import { releaseForgottenSlices } from '../db/queries/slices.ts';
import { noteWell } from '../db/queries/workers.ts';
import { isStoreTrouble } from '../domain/classify.ts';
import { type OperatorError, toStoredError } from '../domain/errors.ts';
import { type FinaliseWorker, startFinaliseWorker } from '../workers/finalise-worker.ts';
import { reconcile } from '../workers/reconcile.ts';
import { type SliceWorker, startSliceWorker } from '../workers/slice-worker.ts';
import type { WorkContext } from '../workers/work-context.ts';
import { maintain } from './care.ts';
import { Closing } from './closing.ts';
import type { SheafContext } from './context.ts';
import { every } from './every.ts';
import { type Feeding, startFeeding } from './feed.ts';
import { type Joining, joinFleet } from './join-fleet.ts';
import { type Notifying, startNotifying } from './notify.ts';
import { collectSamples } from './sample-runs.ts';
import type { Scheduling } from './scheduling.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

const REPAIR_MS = 5_000;
/** A worker that has not been found well for longer is not. */
const WELL_MS = 60_000;
const CARE_MS = 3_600_000;
/** What can wait does so while a worker starts: at once, it would take connections of its own. */
const AFTER_START_MS = 100;
/** A process that ends when its runs have tells of them then, whoever has not been told before. */
const PASSING_MS = 5_000;

/** A process's part in the fleet. */
export interface Worker {
  readonly id: number;
  /** Whether it has shown within a minute that it has both its stores and takes work. */
  isWell(): boolean;
  /** Resolves when this process is of no use any more, because a store stays away; never, while it is. */
  readonly lost: Promise<OperatorError>;
  /** Resolves when whoever is to be told of the ends of runs, and of changes, has been, within a minute; sooner when told to stop. */
  told(stop: AbortSignal): Promise<void>;
  /** Emits `end` when a run ends, whichever worker has ended it. */
  readonly ends: EventEmitter;
  /** Hands back what is under way and retires. Costs no attempt; safe twice. */
  stop(): Promise<void>;
}

export interface WorkerOptions {
  /** True for a process that ends when some runs have: it begins none, and so carries no schedules out. */
  readonly isPassing?: boolean;
}

/**
 * Joins the fleet: registers in the ledger, shows signs of life, takes slices and finalisations from the queues, carries
 * schedules out, and shares the duty of reconciling.
 */
export async function startWorker(
  context: SheafContext,
  concurrency: number,
  { isPassing = false }: WorkerOptions = {},
): Promise<Worker> {
  const { telemetry } = context;
  const closing = new Closing();
  const ends = new EventEmitter();
  const onError = (error: unknown) =>
    telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) });
  const nothing = () => undefined;
  const joining: Joining = {
    ...{ context, closing, onError },
    reactions: { stopRun: nothing, runHasEnded: nothing, beaten: nothing },
  };
  try {
    const id = await joinFleet(joining, concurrency);
    const working = await takeWork(joining, { id, concurrency, isPassing });
    const { notifying, feeding } = working;
    joining.reactions.runHasEnded = () => {
      notifying.wake();
      feeding.wake();
      ends.emit('end');
    };
    const health = keepWell(joining, working, isPassing);
    telemetry.emit('worker.started', { worker: id, concurrency });
    closing.add(() => telemetry.emit('worker.stopped', { worker: id }));
    // A store that is away cannot be told goodbye; the fleet sees that this worker is gone.
    const forgive = (error: unknown) => {
      if (!isStoreTrouble(error)) throw error;
      onError(error);
    };
    const told = async (stop: AbortSignal) => void (await Promise.all([notifying.told(stop), feeding.told(stop)]));
    return { id, ...health, told, ends, stop: () => closing.close().catch(forgive) };
  } catch (error) {
    await closing.close().catch(() => undefined);
    throw error;
  }
}

/** A worker that takes work. */
interface Working {
  readonly work: WorkContext;
  readonly slices: SliceWorker;
  readonly finaliser: FinaliseWorker;
  /** Null for a process that carries none out. */
  readonly schedules: Scheduling | null;
  readonly notifying: Notifying;
  readonly feeding: Feeding;
}

/** Starts what takes work. It is stopped in reverse: what tells of the ends of runs when none can end any more by this process. */
async function takeWork(
  { context, closing, reactions, onError }: Joining,
  { id, concurrency, isPassing }: { readonly id: number; readonly concurrency: number; readonly isPassing: boolean },
): Promise<Working> {
  const scheduling = isPassing ? null : await import('./scheduling.ts');
  const tending = { onError, firstAfterMs: isPassing ? PASSING_MS : 0 };
  const notifying = startNotifying(context, id, tending);
  const feeding = await startFeeding(context, id, tending).catch(async (error: unknown) => {
    await notifying.stop();
    throw error;
  });
  const samples = collectSamples(context);
  closing.add(
    () => notifying.stop(),
    () => feeding.stop(),
    () => samples.stop(),
  );
  const { database, queues, telemetry, reach } = context;
  const work = { database, queues, telemetry, reach, workerId: id };
  const finaliser = startFinaliseWorker(work);
  const slices = startSliceWorker(work, concurrency);
  const schedules = scheduling?.startScheduling(context, id, onError) ?? null;
  closing.add(
    () => finaliser.stop(),
    () => slices.stop(),
    () => schedules?.stop(),
  );
  reactions.stopRun = slices.stopRun;
  await Promise.all([slices.queue.ready(), finaliser.queue.ready(), schedules?.queue.ready()]);
  return { work, slices, finaliser, schedules, notifying, feeding };
}

/** Watches whether work flows, and puts right what does not. */
function keepWell(joining: Joining, working: Working, isPassing: boolean): Pick<Worker, 'isWell' | 'lost'> {
  const { context, closing, reactions, onError } = joining;
  let wellAt = Number.NEGATIVE_INFINITY;
  const onWell = () => {
    wellAt = performance.now();
  };
  const watchdog = watch(joining, working, { onWell, looksAtOnce: !isPassing });
  reactions.beaten = watchdog.beaten;
  const { workerId: worker } = working.work;
  watchdog.lost.then((error) => context.telemetry.emit('worker.lost', { worker, error: toStoredError(error) }));
  const repairing = every(REPAIR_MS, () => repair(context, working), onError);
  const care = async () => void (await maintain(context));
  const caring = every({ intervalMs: CARE_MS, firstAfterMs: AFTER_START_MS }, care, onError);
  closing.add(
    () => watchdog.stop(),
    () => repairing.stop(),
    () => caring.stop(),
  );
  return { isWell: () => performance.now() - wellAt < WELL_MS, lost: watchdog.lost };
}

function watch(
  { context, onError }: Joining,
  { work, slices, finaliser, schedules }: Working,
  { onWell, looksAtOnce }: { readonly onWell: () => void; readonly looksAtOnce: boolean },
): Watchdog {
  const { database, queues, telemetry, settings } = context;
  return startWatchdog({
    queues,
    workers: new Map([
      ['sheaf-slices', slices.queue],
      ['sheaf-finalise', finaliser.queue],
      ...(schedules === null ? [] : [['sheaf-schedules', schedules.queue] as const]),
    ]),
    patienceMs: settings.SHEAF_STORE_TIMEOUT_MS,
    looksAtOnce,
    onWell: async () => {
      await noteWell(database, work.workerId);
      onWell();
    },
    onDeaf: (queue) => telemetry.emit('worker.deaf', { worker: work.workerId, queue }),
    onError,
  });
}

/** Puts right what this worker has left undone, and takes its turn in putting right the fleet's ledger and queue. */
async function repair(
  { database, queues, settings }: SheafContext,
  { work, slices, finaliser }: Working,
): Promise<void> {
  const forgotten = await releaseForgottenSlices(database, work.workerId, slices.isHeld);
  await queues.add(
    'sheaf-slices',
    forgotten.map((claim) => ({ ...claim, round: Date.now() })),
  );
  await releaseForgottenFinalisations(database, work.workerId, finaliser.isHeld);
  await reconcile(work, { stallMinutes: settings.SHEAF_STALL_MINUTES });
}
