import type { Exporter, ExportRecord } from './exporter.ts';

/** One record a line, each in its own text, and a line feed after each. No records: an empty file. */
export const ndjsonExporter: Exporter = {
  format: 'ndjson',
  extension: 'ndjson',
  open: () => ({ begin: () => '', encode: lines, end: () => '' }),
};

function lines(records: readonly ExportRecord[]): string {
  let text = '';
  for (const record of records) text += record.text + '\n';
  return text;
}
