import { mergeStaged, StagedRowsLost } from '../db/queries/merge.ts';
import { type Reread, refetchSlices, rereadSlices } from '../db/queries/refetch.ts';
import { createRelated } from '../db/queries/related.ts';
import {
  claimFinalise,
  endFinalised,
  type FinaliseClaim,
  getRun,
  holdsClaim,
  passMerge,
  postponeFinalise,
  releaseFinalise,
  saveProof,
} from '../db/queries/runs.ts';
import { pendingSlices } from '../db/queries/slices.ts';
import { createStaging, dropStaging } from '../db/queries/staging.ts';
import type { RunRow } from '../db/schema.ts';
import { isStoreTrouble } from '../domain/classify.ts';
import { toStoredError } from '../domain/errors.ts';
import { seesAll } from '../domain/harvest-request.ts';
import { isComplete, type Proof, whyPartial } from '../domain/proof.ts';
import { relatedDatasets } from './export-sets.ts';
import { type Finalising, timed } from './finalising.ts';
import { proveDeletes } from './judge-deletes.ts';
import { refuseDrift } from './refuse-drift.ts';
import { beginFiles, publishFiles, type RunFiles, refuseOthers } from './run-files.ts';
import { type Verdict, verifyRun } from './verify-run.ts';
import { isSourceOf, queryOf, type WorkContext } from './work-context.ts';

/**
 * The chord's body: verify → judge deletes → merge → publish → report, and beside all of it the files are written. It is carried
 * through once a generation; as long as verification finds slices to be fetched once more, it ends there, without files, and
 * begins anew when they have settled.
 *
 * The files are written under temporary names. The merge is committed when they are on the disk, and they get their names
 * after that: a full disk leaves the tables as they were, and a reader never sees half a file. Each step can be run again: a
 * finaliser that dies is followed by another, which starts over and finds the merge done, if it was. Returns what the queue
 * shows.
 */
export async function finaliseRun(context: WorkContext, job: { run: string; generation: number }): Promise<string> {
  const planned = await getRun(context.database, job.run);
  const { source } = context.reach(planned.request.dataset.source);
  if (!isSourceOf(source, planned)) return 'left to a worker that is set to the same server'; // the reconciler adds a job again
  const claim = await claimFinalise(context.database, job, context.workerId);
  if (claim === undefined) return 'nothing to finalise';
  try {
    const run = await getRun(context.database, claim.run);
    const query = queryOf(run);
    return await carryThrough(context, { claim, run, source, query });
  } catch (error) {
    return giveUp(context, claim, error);
  }
}

async function carryThrough(context: WorkContext, finalising: Finalising): Promise<string> {
  const { run, claim } = finalising;
  if (run.request.onDrift === 'fail') await refuseDrift(context.database, run);
  await createStaging(context.database, run.id); // a crash may have taken an unlogged table's file; an empty one is its truth
  if (run.expand !== null) await createRelated(context.database, run.id);
  // Who has lost the claim must not clear away the files of the one that has it.
  if (!(await holdsClaim(context.database, claim))) return TAKEN_OVER;
  // Begun before it is known that the run is whole, which most are; not where the source has kept silent about that before.
  const isLikelyWhole = run.unansweredSince === null;
  const files = isLikelyWhole ? beginFiles(context, finalising, { mayOverlap: run.strategy === 'offset' }) : null;
  try {
    return await verifyAndPublish(context, finalising, files);
  } finally {
    await files?.abandon();
  }
}

async function verifyAndPublish(context: WorkContext, finalising: Finalising, files: RunFiles | null): Promise<string> {
  const { claim, run, query } = finalising;
  const verdict = await timed(context, { run, step: 'verify' }, () => verifyRun(context, run, query));
  if (verdict.kind === 'held' || verdict.kind === 'judged') return publishAll(context, finalising, { verdict, files });
  await files?.abandon(); // before others go on with the run
  if (verdict.kind === 'lost') return fetchAgain(context, claim, verdict.slices);
  if (verdict.kind === 'moved') return readOnceMore(context, claim, verdict.reread);
  if (await askLater(context, finalising, verdict.waitMs))
    return 'the source does not answer, and is asked again later';
  return publishAll(context, finalising, { verdict, files: null });
}

/** Whoever has lost the claim leaves everything to the one that has it. */
const TAKEN_OVER = 'another finaliser has taken over';

/** Nothing in these sends the run back to fetching any more. */
type Settled = Exclude<Verdict, { kind: 'lost' | 'moved' }>;

interface Publishing {
  readonly verdict: Settled;
  /** Those that were begun; null when none are under way. */
  readonly files: RunFiles | null;
}

/** Begins the files where none are under way, and anew where keys turn out to be staged twice that nobody expected to be. */
async function publishAll(
  context: WorkContext,
  finalising: Finalising,
  { verdict, files }: Publishing,
): Promise<string> {
  const { distinctKeys, stagedRows } = verdict.proof;
  const mayOverlap = distinctKeys !== stagedRows;
  if (files !== null && (files.mayOverlap || !mayOverlap))
    return mergeAndPublish(context, finalising, { verdict, files });
  await files?.abandon();
  if (!(await holdsClaim(context.database, finalising.claim))) return TAKEN_OVER;
  const anew = beginFiles(context, finalising, { mayOverlap });
  try {
    return await mergeAndPublish(context, finalising, { verdict, files: anew });
  } finally {
    await anew.abandon();
  }
}

async function mergeAndPublish(
  context: WorkContext,
  finalising: Finalising,
  { verdict, files }: { readonly verdict: Settled; readonly files: RunFiles },
): Promise<string> {
  const { claim, run } = finalising;
  const proof = await wholeProof(context, run, verdict);
  if (!(await saveProof(context.database, claim, proof))) return TAKEN_OVER;
  files.tell(proof);
  const ready = files.staged.then((staged) => refuseOthers(staged, run, proof));
  ready.catch(() => undefined); // awaited by the merge, if it comes to that
  if (!(await mergeBeside(context, finalising, { proof, ready }))) return TAKEN_OVER;
  await timed(context, { run, step: 'publish' }, () => publishFiles(context, run, files));
  return end(context, claim, proof);
}

/** Files need not wait for what the source no longer has: only the manifest, and the merge, tell of it. */
async function wholeProof(context: WorkContext, run: RunRow, { kind, proof }: Settled): Promise<Proof> {
  if (kind !== 'held') return proof;
  return timed(context, { run, step: 'judge' }, () => proveDeletes(context, run, proof));
}

interface Merging {
  readonly proof: Proof;
  /** The files are on the disk. */
  readonly ready: Promise<unknown>;
}

/** Merges while the files are written, and commits when they are. False when the claim no longer holds. */
async function mergeBeside(
  context: WorkContext,
  { claim, run }: Finalising,
  { proof, ready }: Merging,
): Promise<boolean> {
  const { database, telemetry } = context;
  const { dataset, entity, ranges, request } = run;
  const { distinctKeys, stagedRows } = proof;
  // Records of which only some fields were asked for would wipe out the others: they go into files only.
  if (request.select !== null) {
    await ready;
    return passMerge(database, claim);
  }
  const merged = await timed(context, { run, step: 'merge' }, () =>
    mergeStaged(database, claim, {
      ...{ dataset, entity, ranges, ready, related: relatedDatasets(run) },
      rows: { distinctKeys, hasDuplicates: distinctKeys !== stagedRows },
      writesContent: !request.keysOnly,
      marksDeleted: isComplete(proof) && seesAll(run),
      missing: proof.missing,
    }),
  );
  if (merged === undefined) return false;
  const { related: _nested, ...counts } = merged;
  telemetry.emit('run.merged', { run: run.id, dataset, ...counts });
  return true;
}

/** PostgreSQL crashed since these slices were staged: they are fetched again, and the run is finalised after that. */
async function fetchAgain(context: WorkContext, claim: FinaliseClaim, slices: readonly number[]): Promise<string> {
  const isRefetching = await refetchSlices(context.database, claim, slices);
  if (!isRefetching) return TAKEN_OVER;
  const repaired = { run: claim.run, what: 'slices that lost staged rows', count: slices.length };
  context.telemetry.emit('reconcile.repaired', repaired);
  await enqueuePending(context, claim.run);
  return `${slices.length} slices lost staged rows and are fetched again`;
}

/** The source has changed since it was read: where it has is fetched once more, and the run is finalised after that. */
async function readOnceMore(context: WorkContext, claim: FinaliseClaim, reread: Reread): Promise<string> {
  const isRereading = await rereadSlices(context.database, claim, reread);
  if (!isRereading) return TAKEN_OVER;
  const [slices, added] = [reread.slices.length, reread.added.length];
  context.telemetry.emit('run.reread', { run: claim.run, slices, added });
  await enqueuePending(context, claim.run);
  return `the source has changed: ${slices} slices are fetched once more, and ${added} new ones`;
}

/** From the ledger on, the run goes on without this process: what is not enqueued any more, the reconciler enqueues. */
async function enqueuePending({ database, queues }: WorkContext, run: string): Promise<void> {
  const pending = await pendingSlices(database, run);
  await queues.add(
    'sheaf-slices',
    pending.map((slice) => ({ ...slice, round: Date.now() })),
  );
}

/** How long a source may leave the last question unanswered before the run is published without its answer. */
const PATIENCE_MS = 120_000;
/** The longest time between two such questions, whatever the source asks for: patience would run out unused. */
const LONGEST_WAIT_MS = 30_000;

/** Has the finalisation carried out again later. False when the source has been silent for too long. */
async function askLater(
  { database, queues }: WorkContext,
  { claim, run }: Finalising,
  askedMs: number,
): Promise<boolean> {
  const waitMs = Math.ceil(Math.min(LONGEST_WAIT_MS, Math.max(1_000, askedMs)));
  if (!(await postponeFinalise(database, claim, { waitMs, patienceMs: PATIENCE_MS }))) return false;
  const job = { run: run.id, generation: run.generation, attempt: claim.attempt, round: 0 };
  await queues.add('sheaf-finalise', [job], { delayMs: waitMs });
  return true;
}

async function end({ database, telemetry }: WorkContext, claim: FinaliseClaim, proof: Proof): Promise<string> {
  const state = isComplete(proof) ? 'complete' : 'partial';
  const reason = whyPartial(proof);
  const isEnded = await endFinalised(database, claim, { state, reason });
  if (!isEnded) return TAKEN_OVER;
  telemetry.emit('run.state', { run: claim.run, state, reason });
  // A partial run keeps its staged rows: repairing it must not mean fetching everything again.
  if (state === 'complete') await dropStaging(database, claim.run);
  return state;
}

/** What this machine or the source must put right ends the run as failed; a store that is away, or has crashed, only ends this attempt. */
async function giveUp({ database, telemetry }: WorkContext, claim: FinaliseClaim, error: unknown): Promise<string> {
  if (isStoreTrouble(error) || error instanceof StagedRowsLost) {
    await releaseFinalise(database, claim).catch(() => undefined); // else the reconciler sees to it
    throw error;
  }
  const stored = toStoredError(error);
  const isEnded = await endFinalised(database, claim, { state: 'failed', reason: stored.message, error: stored });
  if (isEnded) telemetry.emit('run.state', { run: claim.run, state: 'failed', reason: stored.message });
  return `failed: ${stored.message}`;
}
