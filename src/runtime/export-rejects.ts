import { basename, dirname } from 'node:path';
import { readRejects } from '../db/queries/rejects.ts';
import type { RejectRow } from '../db/schema.ts';
import { linesOf } from '../domain/record-lines.ts';
import { createDirectory, syncDirectory } from '../exporters/export-directory.ts';
import type { Chunk } from '../exporters/exporter.ts';
import { StagedFile } from '../exporters/staged-file.ts';
import { exporters } from '../exporters/write-export.ts';
import type { SheafContext } from './context.ts';
import { countMatching, factsOf, type RejectTarget } from './rejects.ts';

/** The formats that rejects can be exported in: those that can be written as they are read. */
export const rejectFormats = ['ndjson', 'csv'] as const;
export type RejectFormat = (typeof rejectFormats)[number];

const COLUMNS = [
  ...['id', 'run', 'dataset', 'slice', 'key', 'reason', 'detail', 'rejectedAt', 'replayedAt', 'outcome'],
  'record',
];

/**
 * A target's rejects with their records, a few at a time, run by run, the oldest first. In NDJSON `record` is the JSON
 * that the source sent, digit for digit; what is not JSON is in `text`, as a string. In CSV `record` is the text.
 */
export async function* exportRejects(
  context: SheafContext,
  target: RejectTarget,
  { reason, format }: { readonly reason: string | null; readonly format: RejectFormat },
): AsyncGenerator<Chunk> {
  await countMatching(context, target, reason); // for the sake of a reason that does not exist
  const encoder = exporters[format].open(COLUMNS);
  yield encoder.begin();
  for (const run of target.runs.toReversed()) {
    for await (const rows of readRejects(context.database, run.id, reason)) {
      const texts = rows.map((row) => textOf({ ...row, dataset: row.dataset ?? run.dataset }, format));
      yield Buffer.from(encoder.encode(linesOf(texts))); // of its own: who reads it may still hold it when the next is asked for
    }
  }
  yield encoder.end();
}

function textOf(row: RejectRow & { readonly dataset: string }, format: RejectFormat): string {
  const facts = factsOf(row);
  return format === 'csv'
    ? JSON.stringify({ ...facts, record: row.record })
    : withRecord(JSON.stringify(facts), row.record);
}

/** The record goes in as it is: to parse it and write it anew would round its numbers. */
function withRecord(facts: string, record: string): string {
  const field = isJson(record) ? `"record":${record}` : `"text":${JSON.stringify(record)}`;
  return `${facts.slice(0, -1)},${field}}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Writes chunks to a file that is there whole or not at all: a temporary name, synced, renamed. Returns its bytes. */
export async function writeChunks(path: string, chunks: AsyncIterable<Chunk>): Promise<number> {
  const directory = dirname(path);
  await createDirectory(directory);
  const file = await StagedFile.open(directory, basename(path));
  try {
    for await (const chunk of chunks) await file.write(chunk);
    const { bytes } = await file.seal();
    await file.publish();
    await syncDirectory(directory);
    return bytes;
  } finally {
    await file.discard();
  }
}
