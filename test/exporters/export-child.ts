/** Exports in a process of its own, for what would harm the test's: little memory, another user, a full disk, a kill. Prints one JSON line. */

import type { ExportFormat } from '../../src/domain/harvest-request.ts';
import { linesOf, type RecordLines } from '../../src/domain/record-lines.ts';
import { ExportError } from '../../src/exporters/exporter.ts';
import { writeExports } from '../../src/exporters/write-export.ts';

/** `megabytes` of records are written. With `pauseAt`, the process says so after that many batches, and waits to be killed. */
export interface ChildOrder {
  readonly directory: string;
  readonly megabytes: number;
  readonly formats: readonly ExportFormat[];
  readonly pauseAt?: number;
}

export interface ChildAnswer {
  readonly paused?: boolean;
  readonly error?: { readonly code: string; readonly path: string; readonly message: string; readonly cause: string };
  readonly bytes?: number;
  readonly peakMegabytes?: number;
}

const batchSize = 1000;
const record = JSON.stringify({ id: 1, titel: 'Om "æøå",\n'.repeat(90) });

async function* batches(order: ChildOrder): AsyncGenerator<RecordLines> {
  const count = Math.ceil((order.megabytes * 1e6) / (Buffer.byteLength(record) * batchSize));
  for (let index = 0; index < count; index++) {
    if (index === order.pauseAt) await pause();
    yield linesOf(Array.from({ length: batchSize }, () => record));
  }
}

async function pause(): Promise<void> {
  answer({ paused: true });
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}

function answer(value: ChildAnswer): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function run(order: ChildOrder): Promise<ChildAnswer> {
  const { directory, formats } = order;
  try {
    const staged = await writeExports({
      directory,
      formats,
      baseName: 'stor',
      columns: ['id', 'titel'],
      records: batches(order),
      manifest: {},
    });
    await staged.publish();
    const bytes = staged.files.reduce((sum, file) => sum + file.bytes, 0);
    return { bytes, peakMegabytes: process.resourceUsage().maxRSS / 1024 };
  } catch (error) {
    if (!(error instanceof ExportError)) throw error;
    const { code, path, message, cause } = error;
    return { error: { code, path, message, cause: String((cause as NodeJS.ErrnoException).code) } };
  }
}

answer(await run(JSON.parse(process.argv[2] ?? '') as ChildOrder));
