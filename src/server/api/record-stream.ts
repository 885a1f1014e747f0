import { Readable } from 'node:stream';
import { type RecordFilter, streamRecords } from '../../db/queries/browse-records.ts';
import { isStoreTrouble } from '../../domain/classify.ts';
import { toStoredError } from '../../domain/errors.ts';
import type { ReadContext } from '../browsing.ts';
import type { StreamFormat } from '../server-context.ts';

export interface StreamRequest {
  readonly filter: RecordFilter;
  readonly fields: readonly string[] | null;
  readonly format: StreamFormat;
  /** The columns of CSV, in order. */
  readonly columns: readonly string[];
  /** For the log. */
  readonly path: string;
}

/**
 * Everything that fits, read no faster than the client takes it. The first rows are read before this returns, so that
 * what cannot be read at all is answered with a problem; later, an error breaks the transfer off.
 */
export async function openRecordStream(context: ReadContext, request: StreamRequest): Promise<Readable> {
  const leave = context.enterStream();
  const batches = streamRecords(context.browsing, request.filter, request.fields);
  try {
    const first = await batches.next();
    const stream = Readable.from(chunks(context, request, { batches, first }));
    // Also when the client is gone before anything was read: a generator that was never begun has no `finally`.
    stream.once('close', () => {
      leave();
      batches.return(undefined).catch(() => undefined);
    });
    return stream;
  } catch (error) {
    leave();
    throw error;
  }
}

interface Batches {
  readonly batches: AsyncGenerator<string[]>;
  readonly first: IteratorResult<string[]>;
}

async function* chunks(
  { openRecordWriter, telemetry }: ReadContext,
  { format, columns, path }: StreamRequest,
  { batches, first }: Batches,
): AsyncGenerator<string | Uint8Array> {
  const writer = openRecordWriter(format, columns);
  try {
    const head = writer.begin();
    if (head.length > 0) yield head;
    for (let batch = first; !batch.done; batch = await batches.next()) yield writer.encode(batch.value);
    const end = writer.end();
    if (end.length > 0) yield end;
  } catch (error) {
    if (!isStoreTrouble(error)) telemetry.emit('server.failed', { method: 'GET', path, error: toStoredError(error) });
    throw error;
  }
}
