import type { ExportedFile } from '../../domain/report.ts';
import { type Database, inTransaction } from '../database.ts';
import { and, asc, eq, sql } from '../drizzle.ts';
import { exportFiles, runs } from '../schema.ts';

interface ExportedGeneration {
  readonly run: string;
  readonly generation: number;
}

/** Writes down what a generation has published; a repeated finalise replaces its own rows. */
export async function saveExports(
  { orm }: Database,
  of: ExportedGeneration,
  files: readonly ExportedFile[],
): Promise<void> {
  await orm.transaction(async (transaction) => {
    await transaction
      .delete(exportFiles)
      .where(and(eq(exportFiles.runId, of.run), eq(exportFiles.generation, of.generation)));
    if (files.length === 0) return;
    await transaction
      .insert(exportFiles)
      .values(files.map((file) => ({ ...file, runId: of.run, generation: of.generation })));
  });
}

/** The run's own files first. */
export async function listExports({ orm }: Database, of: ExportedGeneration): Promise<ExportedFile[]> {
  return orm
    .select({
      format: exportFiles.format,
      path: exportFiles.path,
      records: exportFiles.records,
      bytes: exportFiles.bytes,
      sha256: exportFiles.sha256,
      dataset: exportFiles.dataset,
    })
    .from(exportFiles)
    .innerJoin(runs, eq(runs.id, exportFiles.runId))
    .where(and(eq(exportFiles.runId, of.run), eq(exportFiles.generation, of.generation)))
    .orderBy(sql`${exportFiles.dataset} <> ${runs.dataset}`, asc(exportFiles.dataset), asc(exportFiles.format));
}

/** Does `work` while nobody else does for that folder, so that of two exports the files and the manifest of one remain. */
export function aloneInFolder<T>({ pool }: Database, folder: string, work: () => Promise<T>): Promise<T> {
  return inTransaction(pool, async (client) => {
    await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`sheaf export ${folder}`]);
    return work();
  });
}
