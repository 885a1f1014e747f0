import type { Exporter, ExportRecord, RecordEncoder } from './exporter.ts';

/** One array, with one record a line, each in its own text: a JSON document that line tools can still read. No records: `[]`. */
export const jsonExporter: Exporter = { format: 'json', extension: 'json', open };

function open(): RecordEncoder {
  let isEmpty = true;
  const encode = (records: readonly ExportRecord[]): string => {
    let text = '';
    for (const record of records) {
      text += (isEmpty ? '[\n' : ',\n') + record.text;
      isEmpty = false;
    }
    return text;
  };
  return { begin: () => '', encode, end: () => (isEmpty ? '[]\n' : '\n]\n') };
}
