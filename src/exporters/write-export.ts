import { basename } from 'node:path';
import type { ExportFormat } from '../domain/harvest-request.ts';
import type { RecordLines } from '../domain/record-lines.ts';
import { csvExporter } from './csv.ts';
import { createDirectory, removeFiles, syncDirectory } from './export-directory.ts';
import { BadRecord, ExportError, type ExportErrorCode, type Exporter, type RecordEncoder } from './exporter.ts';
import { jsonExporter } from './json.ts';
import { type ManifestFacts, type PublishedFile, removeManifest, stageManifest } from './manifest.ts';
import { ndjsonExporter } from './ndjson.ts';
import { shaper, type Transform } from './shape-records.ts';
import { StagedFile } from './staged-file.ts';

export const exporters: Readonly<Record<ExportFormat, Exporter>> = {
  ndjson: ndjsonExporter,
  json: jsonExporter,
  csv: csvExporter,
};

/** The files of one stream of records, a file for each format. */
export interface ExportSet {
  /** The files are called `<baseName>.<extension>`. */
  readonly baseName: string;
  readonly formats: readonly ExportFormat[];
  /** The columns of CSV, in order; other formats ignore them. Of the transformed records, when there is a `transform`. */
  readonly columns: readonly string[];
  /** Batches of records, some hundred kilobytes each. Pulled no faster than they are written. Should heed `signal` itself while it waits. */
  readonly records: AsyncIterable<RecordLines> | Iterable<RecordLines>;
  /** Gives each record another shape. What it gets may hold raw numbers (`isRawNumber`), which it may pass on; what it returns must be JSON values. */
  readonly transform?: Transform | undefined;
}

export interface ExportRequest extends ExportSet {
  /** Created when it is missing. */
  readonly directory: string;
  /** Further files that go with these: published together, and in the same manifest. */
  readonly also?: readonly ExportSet[];
  /** What `manifest.json` says besides the files. May be known later than they begin: a function is asked when they are complete. */
  readonly manifest: ManifestFacts | (() => Promise<ManifestFacts>);
  /** Heeded between batches. */
  readonly signal?: AbortSignal | undefined;
}

/** Files that are complete and synced, but not there yet: to be published, or discarded. */
export interface StagedExport {
  readonly files: readonly PublishedFile[];
  /**
   * Gives all files their names, removes those that an earlier export wrote in other formats, and gives `manifest.json` its
   * name last: who finds it finds what it lists, whole, and no other records beside it. Nothing is written any more, so that a
   * full disk cannot come in between. Twice is once.
   */
  publish(): Promise<readonly PublishedFile[]>;
  /** Removes what is not published. Safe twice; after `publish`, does nothing. */
  discard(): Promise<void>;
}

interface Output {
  readonly exporter: Exporter;
  readonly encoder: RecordEncoder;
  readonly file: StagedFile;
}

/**
 * Writes the records in every format, in one pass, under temporary names. When anything fails, throws `ExportError` and leaves nothing behind; only a killed
 * process does, see `removeLeftovers`.
 */
export async function writeExports(request: ExportRequest): Promise<StagedExport> {
  checkRequest(request);
  await createDirectory(request.directory);
  const outputs: Output[] = [];
  const files: PublishedFile[] = [];
  try {
    for (const set of setsOf(request)) files.push(...(await writeSet({ ...request, ...set }, outputs)));
    const facts = typeof request.manifest === 'function' ? await request.manifest() : request.manifest;
    const manifest = await stageManifest(request.directory, facts, files);
    const staged = outputs.map(({ file }) => file);
    return stagedExport(request.directory, { staged, manifest, files, replaced: replacedBy(request, files) });
  } catch (error) {
    await discardAll(outputs.map(({ file }) => file));
    throw error;
  }
}

function setsOf(request: ExportRequest): readonly ExportSet[] {
  return [request, ...(request.also ?? [])];
}

/** The names that earlier exports of the same may have left in formats that this one does not write. */
function replacedBy(request: ExportRequest, files: readonly PublishedFile[]): readonly string[] {
  const written = new Set(files.map(({ path }) => basename(path)));
  const extensions = Object.values(exporters).map(({ extension }) => extension);
  return setsOf(request)
    .flatMap(({ baseName }) => extensions.map((extension) => `${baseName}.${extension}`))
    .filter((name) => !written.has(name));
}

/** Writes the files of one set, and adds them to those that are open. */
async function writeSet(request: ExportRequest, open: Output[]): Promise<readonly PublishedFile[]> {
  const outputs: Output[] = [];
  for (const format of new Set(request.formats)) {
    const output = await openOutput(request, exporters[format]);
    outputs.push(output);
    open.push(output);
  }
  const records = await encodeAll(request, outputs);
  return Promise.all(outputs.map((output) => finish(output, records)));
}

function checkRequest(request: ExportRequest): void {
  for (const set of setsOf(request)) checkSet(set, request.directory);
}

function checkSet({ baseName, formats, columns }: ExportSet, directory: string): void {
  const refuse = (message: string) => new ExportError(message, { code: 'bad-request', path: directory });
  const unknown = formats.find((format) => !Object.hasOwn(exporters, format));
  if (unknown !== undefined)
    throw refuse(`Unknown export format ${unknown}: expected some of ${Object.keys(exporters).join(', ')}.`);
  if (formats.length === 0) throw refuse('No export format was given: nothing would be written.');
  if (formats.includes('csv') && columns.length === 0) throw refuse('CSV needs columns, and none were given.');
  if (!/^[^/\\]+$/.test(baseName))
    throw refuse(`A file cannot be called ${JSON.stringify(baseName)}: a name without slashes is needed.`);
}

async function openOutput(request: ExportRequest, exporter: Exporter): Promise<Output> {
  const file = await StagedFile.open(request.directory, `${request.baseName}.${exporter.extension}`);
  return { exporter, encoder: exporter.open(request.columns), file };
}

async function encodeAll(request: ExportRequest, outputs: readonly Output[]): Promise<number> {
  const { signal, records: batches, transform } = request;
  const shape = transform && shaper(transform);
  let count = 0;
  try {
    for (const { file, encoder } of outputs) await file.write(encoder.begin());
    for await (const batch of batches) {
      signal?.throwIfAborted();
      const records = shape?.(batch) ?? batch;
      for (const { file, encoder } of outputs) await file.write(encoder.encode(records));
      count += records.ends.length;
    }
    signal?.throwIfAborted();
    for (const { file, encoder } of outputs) await file.write(encoder.end());
    return count;
  } catch (error) {
    throw toExportError(error, request, count);
  }
}

/** Of what came in between after so many records. */
function toExportError(error: unknown, { directory: path, signal }: ExportRequest, count: number): ExportError {
  if (error instanceof ExportError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const refuse = (message: string, code: ExportErrorCode, cause = error) =>
    new ExportError(message, { code, path, cause });
  if (error instanceof BadRecord) {
    const ordinal = count + error.index + 1;
    return refuse(
      `Record ${ordinal} of the export into ${path} cannot be written: ${reason}`,
      'bad-record',
      error.cause,
    );
  }
  if (signal?.aborted) return refuse(`The export into ${path} was stopped after ${count} records.`, 'aborted');
  // Files and encoders are accounted for: anything else came out of the stream.
  return refuse(`Could not read the records to export into ${path}, after ${count}: ${reason}`, 'records-failed');
}

async function finish({ exporter, file }: Output, records: number): Promise<PublishedFile> {
  const { bytes, sha256 } = await file.seal();
  return { format: exporter.format, path: file.path, records, bytes, sha256 };
}

interface ToPublish {
  readonly staged: readonly StagedFile[];
  readonly manifest: StagedFile;
  /** The same as in `staged`, as they will be found. */
  readonly files: readonly PublishedFile[];
  /** Names of files that go when these come. */
  readonly replaced: readonly string[];
}

function stagedExport(directory: string, { staged, manifest, files, replaced }: ToPublish): StagedExport {
  let publishing: Promise<readonly PublishedFile[]> | undefined;
  const publish = async () => {
    await removeManifest(directory);
    for (const file of staged) await file.publish();
    await removeFiles(directory, replaced);
    await syncDirectory(directory);
    await manifest.publish();
    await syncDirectory(directory);
    return files;
  };
  return {
    files,
    publish: () => {
      publishing ??= publish();
      return publishing;
    },
    discard: async () => {
      // A publication under way is waited for: of a file, there is either the name or nothing.
      await publishing?.catch(() => undefined);
      await discardAll([...staged, manifest]);
    },
  };
}

/** What cannot be removed is left, in silence: the reason why the export ends matters more, and `removeLeftovers` comes by. */
async function discardAll(files: readonly StagedFile[]): Promise<void> {
  await Promise.allSettled(files.map((file) => file.discard()));
}
