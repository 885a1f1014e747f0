import { hostname } from 'node:os';
import { releaseForgottenFinalisations } from '../db/queries/runs.ts';
import { releaseForgottenSlices } from '../db/queries/slices.ts';
import { noteWell, registerWorker, retireWorker } from '../db/queries/workers.ts';
import { openWorkerSession } from '../db/worker-session.ts';
import { isStoreTrouble } from '../domain/classify.ts';
import { type OperatorError, toStoredError } from '../domain/errors.ts';
import { hasEnded } from '../domain/run.ts';
import { type FinaliseWorker, startFinaliseWorker } from '../workers/finalise-worker.ts';
import { reconcile } from '../workers/reconcile.ts';
import { type SliceWorker, startSliceWorker } from '../workers/slice-worker.ts';
import type { WorkContext } from '../workers/work-context.ts';
import { maintain } from './care.ts';
import { Closing } from './closing.ts';
import type { SheafContext } from './context.ts';
import { every } from './every.ts';
import { startNotifying } from './notify.ts';
import { collectSamples } from './sample-runs.ts';
import { type Scheduling, startScheduling } from './scheduling.ts';
import { VERSION } from './version.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

const BEAT_MS = 5_000;
const REPAIR_MS = 5_000;
/** A worker that has not been found well for longer is not. */
const WELL_MS = 60_000;
const CARE_MS = 3_600_000;

/** A process's part in the fleet. */
export interface Worker {
  readonly id: number;
  /** Whether it has shown within a minute that it has both its stores and takes work. */
  isWell(): boolean;
  /** Resolves when this process is of no use any more, because a store stays away; never, while it is. */
  readonly lost: Promise<OperatorError>;
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
  const { database, queues, telemetry, sources, reach, settings } = context;
  const closing = new Closing();
  try {
    const id = await registerWorker(database, {
      host: hostname(),
      pid: process.pid,
      session: database.session,
      version: VERSION,
      concurrency,
    });
    closing.add(() => retireWorker(database, id));
    let stopRun: (run: string) => void = () => undefined;
    let runHasEnded: () => void = () => undefined;
    const onError = (error: unknown) =>
      telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) });
    const session = await openWorkerSession(database, id, {
      onRunState: ({ run, state }) => {
        if (state !== 'fetching') stopRun(run);
        if (hasEnded(state)) runHasEnded();
      },
      onGate: (source) => void sources.refreshGates(source).catch(onError),
      onFleet: () => void sources.refreshShare().catch(onError),
    });
    closing.add(() => session.close());

    let beaten: () => void = () => undefined;
    const beat = async () => {
      await session.beat();
      beaten();
      await sources.refreshShare();
      await sources.refreshGates();
    };
    // Stopped last: a long merge that is still under way must not look like that of a dead worker.
    const beating = every(Math.min(BEAT_MS, settings.SHEAF_STORE_TIMEOUT_MS / 4), beat, onError);
    closing.add(() => beating.stop());

    const notifying = startNotifying(context, id, onError);
    closing.add(() => notifying.stop()); // when no run can end any more by this process
    runHasEnded = notifying.wake;

    const samples = collectSamples(context);
    closing.add(() => samples.stop());

    const work = { database, queues, telemetry, reach, workerId: id };
    const finaliser = startFinaliseWorker(work);
    closing.add(() => finaliser.stop());
    const slices = startSliceWorker(work, concurrency);
    closing.add(() => slices.stop());
    stopRun = slices.stopRun;
    const schedules = isPassing ? null : startScheduling(context, id, onError);
    closing.add(() => schedules?.stop());
    await Promise.all([slices.queue.ready(), finaliser.queue.ready(), schedules?.queue.ready()]);
    let wellAt = Number.NEGATIVE_INFINITY;
    const noted = () => {
      wellAt = performance.now();
    };
    const working: Working = { context, work, slices, finaliser, schedules, onError, noted };
    const watchdog = watch(working);
    closing.add(() => watchdog.stop());
    beaten = watchdog.beaten;
    watchdog.lost.then((error) => telemetry.emit('worker.lost', { worker: id, error: toStoredError(error) }));
    const repairing = every(REPAIR_MS, () => repair(working), onError);
    closing.add(() => repairing.stop());
    const caring = every(CARE_MS, async () => void (await maintain(context)), onError);
    closing.add(() => caring.stop());

    telemetry.emit('worker.started', { worker: id, concurrency });
    closing.add(() => telemetry.emit('worker.stopped', { worker: id }));
    // A store that is away cannot be told goodbye; the fleet sees that this worker is gone.
    const forgive = (error: unknown) => {
      if (!isStoreTrouble(error)) throw error;
      onError(error);
    };
    const isWell = () => performance.now() - wellAt < WELL_MS;
    return { id, isWell, lost: watchdog.lost, stop: () => closing.close().catch(forgive) };
  } catch (error) {
    await closing.close().catch(() => undefined);
    throw error;
  }
}

/** A worker that takes work. */
interface Working {
  readonly context: SheafContext;
  readonly work: WorkContext;
  readonly slices: SliceWorker;
  readonly finaliser: FinaliseWorker;
  /** Null for a process that carries none out. */
  readonly schedules: Scheduling | null;
  onError(error: unknown): void;
  /** It has been noted that the worker is well. */
  noted(): void;
}

function watch({ context, work, slices, finaliser, schedules, onError, noted }: Working): Watchdog {
  const { database, queues, telemetry, settings } = context;
  return startWatchdog({
    queues,
    workers: new Map([
      ['sheaf-slices', slices.queue],
      ['sheaf-finalise', finaliser.queue],
      ...(schedules === null ? [] : [['sheaf-schedules', schedules.queue] as const]),
    ]),
    patienceMs: settings.SHEAF_STORE_TIMEOUT_MS,
    onWell: async () => {
      await noteWell(database, work.workerId);
      noted();
    },
    onDeaf: (queue) => telemetry.emit('worker.deaf', { worker: work.workerId, queue }),
    onError,
  });
}

/** Puts right what this worker has left undone, and takes its turn in putting right the fleet's ledger and queue. */
async function repair({ context, work, slices, finaliser }: Working): Promise<void> {
  const { database, queues, settings } = context;
  const forgotten = await releaseForgottenSlices(database, work.workerId, slices.isHeld);
  await queues.add(
    'sheaf-slices',
    forgotten.map((claim) => ({ ...claim, round: Date.now() })),
  );
  await releaseForgottenFinalisations(database, work.workerId, finaliser.isHeld);
  await reconcile(work, { stallMinutes: settings.SHEAF_STALL_MINUTES });
}
