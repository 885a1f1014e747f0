import { UnrecoverableError } from 'bullmq';
import { beginFinalising, endRun, getRun } from '../db/queries/runs.ts';
import { type Claim, failSlice, releaseSlice } from '../db/queries/slices.ts';
import type { StoredError } from '../domain/errors.ts';
import type { SliceOutcome } from '../domain/outcome.ts';
import { decideRetry, sliceRetryPolicy } from '../domain/retry-policy.ts';
import type { Payload } from '../queues/queue-table.ts';
import type { SliceAttempt } from './run-slice.ts';
import type { WorkContext } from './work-context.ts';

type SettleContext = Pick<WorkContext, 'database' | 'queues' | 'telemetry'>;
type Failed = Extract<SliceOutcome, { kind: 'failed' }>;

/**
 * Turns the outcome of an attempt into ledger states and queue jobs: the only place that does. Returns what the queue
 * shows as the job's result; throws BullMQ's UnrecoverableError for a slice that has failed for good, so that its job
 * shows as failed.
 */
export async function settleSlice(context: SettleContext, { claim, outcome }: SliceAttempt): Promise<string> {
  if (claim === undefined) return outcome.kind;
  const error = outcome.kind === 'failed' ? outcome.error : null;
  context.telemetry.emit('slice.settled', { run: claim.run, slice: claim.slice, outcome: outcome.kind, error });
  switch (outcome.kind) {
    case 'staged':
      await finaliseIfSettled(context, claim.run);
      return 'staged';
    case 'handed-back':
      return requeue(context, claim, { delayMs: 0, because: 'handed back' });
    case 'postponed':
      return requeue(context, claim, {
        delayMs: Math.ceil(outcome.waitMs),
        because: `postponed for ${Math.ceil(outcome.waitMs / 1_000)} seconds`,
      });
    case 'failed':
      return settleFailure(context, claim, outcome);
    case 'abandoned':
      return `abandoned: ${outcome.reason}`;
  }
}

async function requeue(
  { database, queues }: SettleContext,
  claim: Claim,
  { delayMs, because }: { readonly delayMs: number; readonly because: string },
): Promise<string> {
  const wasHeld = await releaseSlice(database, claim, delayMs);
  const { state } = await getRun(database, claim.run);
  if (wasHeld && state === 'fetching') await queues.add('sheaf-slices', [reference(claim)], { delayMs });
  return state === 'fetching' ? because : `given back: the run is ${state}`;
}

async function settleFailure(
  context: SettleContext,
  claim: Claim & { failures: number },
  { error, cause }: Failed,
): Promise<string> {
  const { database, queues } = context;
  const decision = decideRetry(cause, sliceRetryPolicy, {
    attempt: claim.failures + 1,
    now: new Date(),
    random: Math.random(),
  });
  const againInMs = decision.kind === 'give-up' ? null : decision.delayMs;
  const requests = Number(error.facts['requests'] ?? 1);
  const wasHeld = await failSlice(database, claim, { error, againInMs, requests });
  if (!wasHeld) return 'abandoned: claimed by another worker';
  if (againInMs !== null) {
    await queues.add('sheaf-slices', [reference(claim)], { delayMs: againInMs });
    return `failed, again in ${againInMs} ms: ${error.message}`;
  }
  await settleLostSlice(context, claim, error);
  throw new UnrecoverableError(error.message);
}

/** A slice has failed for good: the run's policy decides whether that ends the run. */
export async function settleLostSlice(
  context: SettleContext,
  claim: Pick<Claim, 'run' | 'slice'>,
  error: StoredError,
): Promise<void> {
  const { database, telemetry } = context;
  const run = await getRun(database, claim.run);
  if (run.request.onFailure === 'partial') return finaliseIfSettled(context, claim.run);
  const reason = `slice ${claim.slice} failed: ${error.message}`;
  const isEnded = await endRun(database, claim.run, { state: 'failed', reason, error });
  if (isEnded) telemetry.emit('run.state', { run: claim.run, state: 'failed', reason });
}

/** The job of a slice that waits for a worker: its id holds the attempt, so that each attempt is a job of its own. */
function reference({ run, slice, attempt }: Claim): Payload<'sheaf-slices'> {
  return { run, slice, attempt, round: 0 };
}

/**
 * The chord: whoever finds that a run's slices have all settled, and wins the compare-and-set, enqueues its
 * finalisation. Safe to call at any time, any number of times.
 */
export async function finaliseIfSettled({ database, queues, telemetry }: SettleContext, run: string): Promise<void> {
  const begun = await beginFinalising(database, run);
  if (begun === undefined) return;
  telemetry.emit('run.state', { run, state: 'finalising', reason: null });
  await queues.add('sheaf-finalise', [{ run, ...begun, round: 0 }]);
}
