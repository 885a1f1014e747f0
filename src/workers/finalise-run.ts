import { basename, extname, join } from 'node:path';
import { saveExports } from '../db/queries/exports.ts';
import { mergeStaged, type StagedRows } from '../db/queries/merge.ts';
import { type Reread, refetchSlices, rereadSlices } from '../db/queries/refetch.ts';
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
import { dropStaging } from '../db/queries/staging.ts';
import type { RunRow } from '../db/schema.ts';
import { isStoreTrouble } from '../domain/classify.ts';
import { toStoredError } from '../domain/errors.ts';
import { kindOf, seesAll } from '../domain/harvest-request.ts';
import { isComplete, type Proof, whyPartial } from '../domain/proof.ts';
import { redact } from '../domain/redact.ts';
import { removeLeftovers } from '../exporters/export-directory.ts';
import type { ManifestFacts } from '../exporters/manifest.ts';
import { type StagedExport, writeExports } from '../exporters/write-export.ts';
import type { Source, SourceQuery } from '../sources/source.ts';
import type { SheafEvents, Telemetry } from '../telemetry/events.ts';
import { exportSets, fileNameOf, relatedDatasets } from './export-sets.ts';
import { proveDeletes } from './judge-deletes.ts';
import { refuseDrift } from './refuse-drift.ts';
import { type Verdict, verifyRun } from './verify-run.ts';
import { isSourceOf, queryOf, type WorkContext } from './work-context.ts';

/** A run that is being finalised. */
interface Finalising {
  readonly claim: FinaliseClaim;
  readonly run: RunRow;
  readonly source: Source;
  readonly query: SourceQuery;
}

/**
 * The chord's body: verify → write the files, and beside that judge deletes → merge → publish → report. It is carried through
 * once a generation; as long as verification finds slices to be fetched once more, it ends there, and begins anew when they
 * have settled.
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
  const { claim, run, query } = finalising;
  if (run.request.onDrift === 'fail') await refuseDrift(context.database, run);
  const clock = { telemetry: context.telemetry, run: run.id };
  const verdict = await timed(clock, 'verify', () => verifyRun(context, run, query));
  if (verdict.kind === 'lost') return fetchAgain(context, claim, verdict.slices);
  if (verdict.kind === 'moved') return readOnceMore(context, claim, verdict.reread);
  if (verdict.kind === 'unanswered' && (await askLater(context, finalising, verdict.waitMs)))
    return 'the source does not answer, and is asked again later';
  return publishAll(context, finalising, verdict);
}

/** Whoever has lost the claim leaves everything to the one that has it. */
const TAKEN_OVER = 'another finaliser has taken over';

async function publishAll(context: WorkContext, finalising: Finalising, verdict: Settled): Promise<string> {
  // Files come before the proof is saved: who has lost the claim must not clear away those of the one that has it.
  if (!(await holdsClaim(context.database, finalising.claim))) return TAKEN_OVER;
  const clock = { telemetry: context.telemetry, run: finalising.run.id };
  const { distinctKeys, stagedRows } = verdict.proof;
  const rows = { distinctKeys, hasDuplicates: distinctKeys !== stagedRows };
  const proving = wholeProof(context, finalising.run, verdict);
  const ending = new AbortController(); // of no use any more once judging or merging has failed
  const staging = { rows, proving, signal: ending.signal };
  const exporting = timed(clock, 'export', () => stageExports(context, finalising, staging));
  exporting.catch(() => undefined); // awaited below; a failure before that must not count as unhandled
  const proved = await mergeAndPublish(context, finalising, { rows, proving, exporting }).finally(async () => {
    ending.abort();
    await (await exporting.catch(() => null))?.discard();
  });
  return proved === null ? TAKEN_OVER : end(context, finalising.claim, proved);
}

/** Nothing in these sends the run back to fetching any more. */
type Settled = Exclude<Verdict, { kind: 'lost' | 'moved' }>;

/** Files need not wait for what the source no longer has: only the manifest, and the merge, tell of it. */
async function wholeProof(context: WorkContext, run: RunRow, { kind, proof }: Settled): Promise<Proof> {
  if (kind !== 'held') return proof;
  const clock = { telemetry: context.telemetry, run: run.id };
  return timed(clock, 'judge', () => proveDeletes(context, run, proof));
}

interface Publishing {
  readonly rows: StagedRows;
  readonly proving: Promise<Proof>;
  readonly exporting: Promise<StagedExport | null>;
}

/** The proof that was published; null when the claim no longer holds. */
async function mergeAndPublish(
  context: WorkContext,
  finalising: Finalising,
  { rows, proving, exporting }: Publishing,
): Promise<Proof | null> {
  const { claim, run } = finalising;
  const proof = await proving;
  if (!(await saveProof(context.database, claim, proof))) return null;
  if (!(await mergeBeside(context, finalising, { rows, proof, exporting }))) return null;
  const staged = await exporting;
  const clock = { telemetry: context.telemetry, run: run.id };
  if (staged !== null) await timed(clock, 'publish', () => publish(context, finalising, staged));
  return proof;
}

interface Merging {
  readonly rows: StagedRows;
  readonly proof: Proof;
  readonly exporting: Promise<unknown>;
}

/** Merges while the files are written, and commits when they are. False when the claim no longer holds. */
async function mergeBeside(
  { database, telemetry }: WorkContext,
  { claim, run }: Finalising,
  { rows, proof, exporting }: Merging,
): Promise<boolean> {
  const { dataset, entity, ranges, request } = run;
  // Records of which only some fields were asked for would wipe out the others: they go into files only.
  if (request.select !== null) {
    await exporting;
    return passMerge(database, claim);
  }
  const merged = await timed({ telemetry, run: run.id }, 'merge', () =>
    mergeStaged(database, claim, {
      ...{ dataset, entity, rows, ranges, related: relatedDatasets(run) },
      writesContent: !request.keysOnly,
      marksDeleted: isComplete(proof) && seesAll(run),
      missing: proof.missing,
      ready: exporting,
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

interface Exporting {
  readonly rows: StagedRows;
  readonly proving: Promise<Proof>;
  readonly signal: AbortSignal;
}

/** Null when no files were asked for. */
async function stageExports(
  context: WorkContext,
  finalising: Finalising,
  { rows, proving, signal }: Exporting,
): Promise<StagedExport | null> {
  const { run, source, query } = finalising;
  const [first, ...also] = exportSets(context, { run, source, query, rows });
  if (first === undefined) return null;
  const directory = exportDirectory(run);
  await removeLeftovers(directory);
  const manifest = async () => manifestOf(finalising, await proving);
  return writeExports({ ...first, also, directory, manifest, signal });
}

/** What `manifest.json` says of a run besides its files. */
function manifestOf({ run, source }: Finalising, proof: Proof): ManifestFacts {
  return {
    run: run.id,
    dataset: run.dataset,
    kind: kindOf(run),
    generation: run.generation,
    state: isComplete(proof) ? 'complete' : 'partial',
    reason: whyPartial(proof),
    source: redact(source.baseUrl),
    filter: run.request.filter,
    select: run.request.select,
    shape: run.request.shape,
    ...(run.expand && { expand: run.request.expand, relations: run.request.relations ?? 'flat' }),
    plannedAt: run.createdAt.toISOString(),
    proof,
  };
}

/** Each generation has a directory of its own, so that what was published once never changes. */
function exportDirectory(run: Pick<RunRow, 'id' | 'dataset' | 'generation' | 'request'>): string {
  const directory = join(run.request.out, fileNameOf(run.dataset), run.id);
  return run.generation === 1 ? directory : join(directory, `generation-${run.generation}`);
}

async function publish({ database }: WorkContext, { run }: Finalising, staged: StagedExport): Promise<void> {
  const datasets = new Map([run.dataset, ...relatedDatasets(run)].map((name) => [fileNameOf(name), name]));
  const files = (await staged.publish()).map((file) => {
    const name = basename(file.path, extname(file.path));
    return { ...file, dataset: datasets.get(name) ?? run.dataset };
  });
  await saveExports(database, { run: run.id, generation: run.generation }, files);
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

/** What this machine or the source must put right ends the run as failed; a store that is away only ends this attempt. */
async function giveUp({ database, telemetry }: WorkContext, claim: FinaliseClaim, error: unknown): Promise<string> {
  if (isStoreTrouble(error)) {
    await releaseFinalise(database, claim).catch(() => undefined); // else the reconciler sees to it
    throw error;
  }
  const stored = toStoredError(error);
  const isEnded = await endFinalised(database, claim, { state: 'failed', reason: stored.message, error: stored });
  if (isEnded) telemetry.emit('run.state', { run: claim.run, state: 'failed', reason: stored.message });
  return `failed: ${stored.message}`;
}

type Step = SheafEvents['finalise.step']['step'];

async function timed<T>(
  { telemetry, run }: { telemetry: Telemetry; run: string },
  step: Step,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const result = await telemetry.span(step, { 'sheaf.run': run }, work);
  telemetry.emit('finalise.step', { run, step, durationMs: performance.now() - startedAt });
  return result;
}
