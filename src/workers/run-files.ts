import { basename, extname, join } from 'node:path';
import { saveExports } from '../db/queries/exports.ts';
import { StagedRowsLost } from '../db/queries/merge.ts';
import type { RunRow } from '../db/schema.ts';
import { kindOf } from '../domain/harvest-request.ts';
import { isComplete, type Proof, whyPartial } from '../domain/proof.ts';
import { redact } from '../domain/redact.ts';
import { removeLeftovers } from '../exporters/export-directory.ts';
import type { ManifestFacts } from '../exporters/manifest.ts';
import { type StagedExport, writeExports } from '../exporters/write-export.ts';
import { exportSets, fileNameOf, relatedDatasets } from './export-sets.ts';
import { type Finalising, timed } from './finalising.ts';
import type { WorkContext } from './work-context.ts';

/** The files of a run while they are written, under names that nobody looks for. */
export interface RunFiles {
  /** Keys may be staged more than once: of each, the last row is written. Else every row is, which is right only where verification finds no such key. */
  readonly mayOverlap: boolean;
  /** Fulfilled when they are on the disk, with their manifest, and so not before they were told the proof. Null when none were asked for. */
  readonly staged: Promise<StagedExport | null>;
  /** What the manifest says of the run. */
  tell(proof: Proof): void;
  /** Stops what is under way, and removes what was not published. Safe twice. */
  abandon(): Promise<void>;
}

/** Begins to write a run's files. Only for whoever holds the claim: what another has left unfinished is removed. */
export function beginFiles(
  context: WorkContext,
  finalising: Finalising,
  { mayOverlap }: Pick<RunFiles, 'mayOverlap'>,
): RunFiles {
  const ending = new AbortController();
  const proved = Promise.withResolvers<Proof>();
  const manifest = async () => manifestOf(finalising, await proved.promise);
  const exporting = { mayOverlap, manifest, signal: ending.signal };
  const staged = timed(context, { run: finalising.run, step: 'export' }, () =>
    stageExports(context, finalising, exporting),
  );
  // Both are awaited by others; a failure before that must not count as unhandled.
  for (const promise of [staged, proved.promise]) promise.catch(() => undefined);
  return {
    mayOverlap,
    staged,
    tell: proved.resolve,
    abandon: async () => {
      const reason = new Error('the files are not wanted any more');
      ending.abort(reason);
      proved.reject(reason);
      await (await staged.catch(() => null))?.discard();
    },
  };
}

/** The files were read at another moment than the rows were counted: they must hold as many records. */
export function refuseOthers(staged: StagedExport | null, { id, dataset }: RunRow, { distinctKeys }: Proof): void {
  const own = (staged?.files ?? []).filter(({ path }) => basename(path, extname(path)) === fileNameOf(dataset));
  if (own.some(({ records }) => records !== distinctKeys)) throw new StagedRowsLost(id);
}

/** Gives the files their names, and lists them in the ledger. */
export async function publishFiles({ database }: WorkContext, run: RunRow, files: RunFiles): Promise<void> {
  const staged = await files.staged;
  if (staged === null) return;
  const datasets = new Map([run.dataset, ...relatedDatasets(run)].map((name) => [fileNameOf(name), name]));
  const published = (await staged.publish()).map((file) => {
    const name = basename(file.path, extname(file.path));
    return { ...file, dataset: datasets.get(name) ?? run.dataset };
  });
  await saveExports(database, { run: run.id, generation: run.generation }, published);
}

interface Exporting {
  readonly mayOverlap: boolean;
  readonly manifest: () => Promise<ManifestFacts>;
  readonly signal: AbortSignal;
}

/** Null when no files were asked for. */
async function stageExports(
  context: WorkContext,
  finalising: Finalising,
  { mayOverlap, manifest, signal }: Exporting,
): Promise<StagedExport | null> {
  const { run, source, query } = finalising;
  const [first, ...also] = exportSets(context, { run, source, query, signal, hasDuplicates: mayOverlap });
  if (first === undefined) return null;
  const directory = exportDirectory(run);
  await removeLeftovers(directory);
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
