import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ExportFormat } from '../domain/harvest-request.ts';
import { syncDirectory } from './export-directory.ts';
import { toFileError } from './exporter.ts';
import { StagedFile } from './staged-file.ts';

const manifestName = 'manifest.json';

/** A finished file of an export: under its final path, though it may not be there yet. */
export interface PublishedFile {
  readonly format: ExportFormat;
  readonly path: string;
  readonly records: number;
  readonly bytes: number;
  /** Of the file's bytes, in hexadecimal. */
  readonly sha256: string;
}

/** Facts about the export (run, source, time, …) as JSON values; `files` is added to them. */
export type ManifestFacts = Readonly<Record<string, unknown>>;

/** Takes the directory's manifest away, so that none stands there while the files it speaks of are being replaced. */
export async function removeManifest(directory: string): Promise<void> {
  const path = join(directory, manifestName);
  try {
    await rm(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw toFileError(error, 'replace', path);
  }
  await syncDirectory(directory);
}

/**
 * Writes `manifest.json` under a temporary name, before anything is published: so a full disk cannot come between the files and their manifest. Files are
 * listed by name only, so that the directory can be moved.
 */
export async function stageManifest(
  directory: string,
  facts: ManifestFacts,
  files: readonly PublishedFile[],
): Promise<StagedFile> {
  const listed = files.map(({ path, ...rest }) => ({ name: basename(path), ...rest }));
  const text = JSON.stringify({ ...facts, files: listed }, null, 2) + '\n';
  const file = await StagedFile.open(directory, manifestName);
  try {
    await file.write(text);
    await file.seal();
    return file;
  } catch (error) {
    await file.discard();
    throw error;
  }
}
