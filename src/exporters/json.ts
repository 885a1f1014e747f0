import type { RecordLines } from '../domain/record-lines.ts';
import type { Exporter, RecordEncoder } from './exporter.ts';

/** One array, with one record a line, each in its own bytes: a JSON document that line tools can still read. No records: `[]`. */
export const jsonExporter: Exporter = { format: 'json', extension: 'json', open };

function open(): RecordEncoder {
  let isEmpty = true;
  const encode = ({ bytes, ends }: RecordLines): Uint8Array => {
    const elements = Buffer.allocUnsafe(bytes.length + ends.length); // two characters before each, for one after it
    let [start, size] = [0, 0];
    for (const end of ends) {
      size += elements.write(isEmpty ? '[\n' : ',\n', size);
      size += bytes.copy(elements, size, start, end);
      start = end + 1;
      isEmpty = false;
    }
    return elements;
  };
  return { begin: () => '', encode, end: () => (isEmpty ? '[]\n' : '\n]\n') };
}
