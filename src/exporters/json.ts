import type { RecordLines } from '../domain/record-lines.ts';
import { withRoom } from '../domain/room.ts';
import type { Exporter, RecordEncoder } from './exporter.ts';

/** One array, with one record a line, each in its own bytes: a JSON document that line tools can still read. No records: `[]`. */
export const jsonExporter: Exporter = { format: 'json', extension: 'json', open };

function open(): RecordEncoder {
  let isEmpty = true;
  let memory: Buffer = Buffer.alloc(0);
  const encode = ({ bytes, ends }: RecordLines): Uint8Array => {
    memory = withRoom(memory, 0, bytes.length + ends.length); // two characters before each, for one after it
    let [start, size] = [0, 0];
    for (const end of ends) {
      size += memory.write(isEmpty ? '[\n' : ',\n', size);
      size += bytes.copy(memory, size, start, end);
      start = end + 1;
      isEmpty = false;
    }
    return memory.subarray(0, size);
  };
  return { begin: () => '', encode, end: () => (isEmpty ? '[]\n' : '\n]\n') };
}
