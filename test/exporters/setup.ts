import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { linesOf, type RecordLines } from '../../src/domain/record-lines.ts';
import { type ExportRequest, writeExports } from '../../src/exporters/write-export.ts';

/** A fresh directory, removed when the test ends. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sheaf-export-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A request that exports these texts as NDJSON, but for what is said otherwise. */
export async function exportRequest(
  texts: readonly string[],
  overrides: Partial<ExportRequest> = {},
): Promise<ExportRequest> {
  const directory = overrides.directory ?? (await temporaryDirectory());
  return {
    baseName: 'oda-Sag',
    formats: ['ndjson'],
    columns: ['id'],
    manifest: {},
    records: batchesOf(texts, 1000),
    ...overrides,
    directory,
  };
}

/** Writes and publishes; the text of each file, by format. */
export async function publishedTexts(request: ExportRequest): Promise<Record<string, string>> {
  const staged = await writeExports(request);
  const files = await staged.publish();
  return Object.fromEntries(
    await Promise.all(files.map(async ({ format, path }) => [format, await readFile(path, 'utf8')])),
  );
}

export async function* batchesOf(texts: readonly string[], size: number): AsyncGenerator<RecordLines> {
  for (let from = 0; from < texts.length; from += size) yield linesOf(texts.slice(from, from + size));
}

export async function filesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).sort();
}

export async function measureFile(path: string): Promise<{ bytes: number; sha256: string }> {
  const content = await readFile(path);
  return { bytes: content.byteLength, sha256: createHash('sha256').update(content).digest('hex') };
}
