import { CsvLines } from './csv-lines.ts';
import { csvHeader, csvRows } from './csv-rows.ts';
import { BadRecord, type Exporter, type RecordEncoder } from './exporter.ts';
import { FlatRecord } from './flat-record.ts';

/**
 * RFC 4180 with a header, but with line feeds as record ends, in UTF-8 without a byte order mark. Fields that are not in `columns` are left out.
 *
 * null, and a field that a record does not have, are empty without quotes; the empty string is `""`. Readers that heed quotes (PostgreSQL's COPY, DuckDB) can so
 * tell them apart. Numbers keep their digits, nested values are JSON text, strings are as they are. Half a surrogate pair cannot be written in UTF-8, and
 * becomes U+FFFD; the JSON formats keep it as an escape.
 *
 * What is written is what the library makes of a record's fields (`csv-rows.ts`). Of flat records, which are nearly all, the same is put together from their bytes.
 */
export const csvExporter: Exporter = { format: 'csv', extension: 'csv', open };

function open(columns: readonly string[]): RecordEncoder {
  return { begin: () => csvHeader(columns), encode: csvEncoder(columns), end: () => '' };
}

function csvEncoder(columns: readonly string[]): RecordEncoder['encode'] {
  const record = new FlatRecord(columns);
  const lines = new CsvLines();
  return (records) => {
    let added = 0; // so many records are in: those after them that are not flat wait for each other
    const addOthers = (upto: number) => {
      if (added < upto) lines.addText(csvRows(records, columns, [added, upto]));
      added = upto;
    };
    for (const index of records.ends.keys()) {
      if (!record.read(records, index)) continue;
      addOthers(index);
      addFlat(lines, record, index);
      added++;
    }
    addOthers(records.ends.length);
    return lines.take();
  };
}

function addFlat(lines: CsvLines, record: FlatRecord, index: number): void {
  try {
    lines.addRecord(record);
  } catch (error) {
    throw new BadRecord(index, error);
  }
}
