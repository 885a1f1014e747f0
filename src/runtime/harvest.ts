import { type EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRelated } from '../db/queries/related.ts';
import { cancelRun, getRun, pauseRun, reopenRun, unattendedFinalisations, unpauseRun } from '../db/queries/runs.ts';
import { type SliceTotals, sliceTotals } from '../db/queries/slices.ts';
import { createStaging, dropStaging } from '../db/queries/staging.ts';
import type { RunRow } from '../db/schema.ts';
import { isStoreTrouble } from '../domain/classify.ts';
import { toStoredError, UsageError } from '../domain/errors.ts';
import { checkKeysOnly, checkMode, type HarvestRequest } from '../domain/harvest-request.ts';
import { redact } from '../domain/redact.ts';
import { checkRelations } from '../domain/relations.ts';
import { hasEnded, type RunState, stillExpected } from '../domain/run.ts';
import { checkWritable } from '../exporters/export-directory.ts';
import { enqueueSlices, handOn } from '../producer/enqueue-slices.ts';
import { planRun } from '../producer/plan-run.ts';
import { reconcile } from '../workers/reconcile.ts';
import { finaliseIfSettled } from '../workers/settle.ts';
import { isSourceOf } from '../workers/work-context.ts';
import type { SheafContext } from './context.ts';

/** How often a run that is waited for is looked at, where nobody says otherwise. */
const LOOK_MS = 200;
/** How long the database may be away before whoever looks on gives up. */
const BLIND_MS = 120_000;

/** Checks all requests before any of them starts. Throws a UsageError for the first that makes no sense. */
export async function checkRequests(
  { reach }: Pick<SheafContext, 'reach'>,
  requests: readonly HarvestRequest[],
): Promise<void> {
  for (const request of requests) {
    const { source, fetch } = reach(request.dataset.source);
    const entity = await source.check(fetch, request.dataset.entity, request);
    checkMode(entity, request);
    checkKeysOnly(source, request);
    checkRelations(request);
    await source.relate(fetch, entity, request.expand ?? []);
    await checkWritable(request.out);
  }
}

/** Plans a run and hands it to the fleet. Returns its id, which may be given. */
export async function launchRun(context: SheafContext, request: HarvestRequest, id?: string): Promise<string> {
  const run = await planRun(context, request, id);
  await handOnSettled(context, run); // a dataset without a record has no slice that could settle last
  return run;
}

/** Has a run finalised that has nothing to fetch. */
export function handOnSettled(context: SheafContext, run: string): Promise<void> {
  return handOn(context, finaliseIfSettled(context, run));
}

/** Cancels a run. Throws a UsageError when it has ended. What it had staged is dropped. */
export async function cancel({ database, telemetry }: SheafContext, run: RunRow): Promise<void> {
  const outcome = await cancelRun(database, run.id);
  if (outcome === 'publishing')
    throw refuse(run, { code: 'cannot-cancel', why: 'is being published, and ends by itself in a moment' });
  if (outcome === 'ended')
    throw refuse(run, {
      code: 'cannot-cancel',
      why: `has ended already: it is ${(await getRun(database, run.id)).state}`,
    });
  telemetry.emit('run.state', { run: run.id, state: 'cancelled', reason: null });
  await dropStaging(database, run.id);
}

/** Pauses a run: its slices are handed back, and wait. Throws a UsageError when it is not fetching. */
export async function pause({ database, telemetry }: SheafContext, run: RunRow): Promise<void> {
  if (!(await pauseRun(database, run.id)))
    throw refuse(run, { code: 'cannot-pause', why: `is ${run.state}; only a run that is fetching can be paused` });
  telemetry.emit('run.state', { run: run.id, state: 'paused', reason: null });
}

/**
 * Sets a run going again from where the ledger says it stands: what dead workers held is released, failed slices are
 * opened again, a pause ends, and only what is missing is fetched. A run that ended failed or partial starts its next generation.
 * Throws a UsageError for a run that is complete or was cancelled.
 */
export async function resumeRun(context: SheafContext, run: RunRow): Promise<void> {
  const { database, queues, telemetry } = context;
  if (run.state === 'complete')
    throw refuse(run, { code: 'cannot-resume', why: 'is complete; there is nothing left to do' });
  if (run.state === 'cancelled')
    throw refuse(run, { code: 'cannot-resume', why: 'was cancelled; harvest the dataset again' });
  if (run.sealedAt === null)
    throw refuse(run, { code: 'cannot-resume', why: 'was never planned to its end; harvest the dataset again' });
  const { source } = context.reach(run.request.dataset.source);
  if (!isSourceOf(source, run)) {
    const why = `was planned from ${run.sourceUrl}, and the source is set to ${redact(source.baseUrl)} now`;
    throw refuse(run, { code: 'other-source', why });
  }
  await checkWritable(run.request.out);
  await reconcile(context, { stallMinutes: context.settings.SHEAF_STALL_MINUTES });
  await createStaging(database, run.id); // dropped when it was long ago; what is missing is then fetched again
  if (run.expand !== null) await createRelated(database, run.id);
  if (hasEnded(run.state) && (await reopenRun(database, run.id))) {
    telemetry.emit('run.state', { run: run.id, state: 'fetching', reason: null });
  }
  if (run.state === 'paused' && (await unpauseRun(database, run.id))) {
    telemetry.emit('run.state', { run: run.id, state: 'fetching', reason: null });
  }
  await enqueueSlices(context, run.id, Date.now());
  await finaliseIfSettled(context, run.id);
  // A finaliser that died leaves a job that looks active until the queue finds it stalled; this one need not wait.
  const unattended = (await unattendedFinalisations(database)).filter((each) => each.run === run.id);
  await queues.add(
    'sheaf-finalise',
    unattended.map((each) => ({ ...each, round: Date.now() })),
  );
}

/**
 * Repairs a run that ended failed or partial: its failed slices are fetched again, and its next generation is finalised.
 * Throws a UsageError for a run that did not end like that.
 */
export async function retryRun(context: SheafContext, run: RunRow): Promise<void> {
  if (run.state !== 'failed' && run.state !== 'partial') {
    throw refuse(run, {
      code: 'cannot-retry',
      why: `is ${run.state}; only a run that ended failed or partial can be retried. Go on with \`sheaf resume ${run.id}\` if it was interrupted or paused`,
    });
  }
  await resumeRun(context, run);
}

function refuse(run: RunRow, { code, why }: { readonly code: string; readonly why: string }): UsageError {
  return new UsageError(`Run ${run.id} ${why}.`, { code, facts: { run: run.id, state: run.state } });
}

/** A run at one moment, for whoever watches it. */
export interface RunProgress {
  readonly run: string;
  readonly dataset: string;
  readonly state: RunState;
  readonly expected: number | null;
  readonly pageSize: number;
  readonly totals: SliceTotals;
}

export interface Watching {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: readonly RunProgress[]) => void;
  /** From one look to the next. */
  readonly lookMs?: number;
  /** Emits `end` when a run ends: then it is looked before the time. */
  readonly ends?: EventEmitter;
}

/** Waits until all runs have ended, telling `onProgress` about each as often as it looks. Ends early when aborted. */
export async function watchRuns(
  { database, telemetry }: Pick<SheafContext, 'database' | 'telemetry'>,
  runs: readonly string[],
  { signal, onProgress, lookMs = LOOK_MS, ends }: Watching,
): Promise<void> {
  let seenAt = Date.now();
  while (!signal.aborted) {
    const next = awaitNext(ends, signal); // before the look: what ends meanwhile is looked at again
    try {
      const progress = await Promise.all(runs.map((run) => progressOf({ database }, run)));
      seenAt = Date.now();
      onProgress(progress);
      if (progress.every(({ state }) => hasEnded(state))) return;
    } catch (error) {
      // The run goes on without being looked at: a database that restarts must not end the command.
      if (!isStoreTrouble(error) || Date.now() - seenAt > BLIND_MS) throw error;
      telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) });
    }
    await next.orAfter(lookMs);
  }
}

/** Listens for the next end of a run; `orAfter` resolves with it, after a while, or when aborted. */
function awaitNext(ends: EventEmitter | undefined, stop: AbortSignal): { orAfter(ms: number): Promise<void> } {
  const over = new AbortController();
  const signal = AbortSignal.any([stop, over.signal]);
  const ended = ends === undefined ? [] : [once(ends, 'end', { signal }).catch(() => undefined)];
  return {
    orAfter: async (ms) => {
      await Promise.race([...ended, sleep(ms, undefined, { signal }).catch(() => undefined)]);
      over.abort();
    },
  };
}

async function progressOf({ database }: Pick<SheafContext, 'database'>, id: string): Promise<RunProgress> {
  const run = await getRun(database, id);
  const { dataset, state, pageSize } = run;
  const totals = await sliceTotals(database, id);
  const expected = stillExpected(run, totals.records + totals.rejects);
  return { run: id, dataset, state, expected, pageSize, totals };
}
