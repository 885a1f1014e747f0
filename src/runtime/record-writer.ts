import { SourceRecord } from '../exporters/source-record.ts';
import { exporters } from '../exporters/write-export.ts';
import type { RecordWriter, StreamFormat } from '../server/server-context.ts';

/** Writes records as the exporters write them into files. */
export function openRecordWriter(format: StreamFormat, columns: readonly string[]): RecordWriter {
  const encoder = exporters[format].open(columns);
  return {
    begin: () => encoder.begin(),
    encode: (texts) => encoder.encode(texts.map((text) => new SourceRecord(text))),
    end: () => encoder.end(),
  };
}
