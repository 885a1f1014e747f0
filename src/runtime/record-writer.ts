import { linesOf } from '../domain/record-lines.ts';
import { exporters } from '../exporters/write-export.ts';
import type { RecordWriter, StreamFormat } from '../server/server-context.ts';

/** Writes records as the exporters write them into files. */
export function openRecordWriter(format: StreamFormat, columns: readonly string[]): RecordWriter {
  const encoder = exporters[format].open(columns);
  return {
    begin: () => encoder.begin(),
    // In memory of its own: what is sent may still wait when the next is asked for.
    encode: (texts) => Buffer.from(encoder.encode(linesOf(texts))),
    end: () => encoder.end(),
  };
}
