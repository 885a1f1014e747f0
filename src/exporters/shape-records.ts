import { LineWriter, type RecordLines } from '../domain/record-lines.ts';
import { BadRecord, type Fields } from './exporter.ts';
import { parseFields } from './parse-fields.ts';

export type Transform = (record: Fields) => Fields;

/** Gives records another shape, some at a time: the lines it gives hold until the next are asked for. Throws `BadRecord`. */
export function shaper(transform: Transform): (records: RecordLines) => RecordLines {
  const writer = new LineWriter(0);
  return (records) => {
    for (let index = 0; index < records.ends.length; index++) {
      writer.addText(shape(transform, records, index));
      writer.endRecord();
    }
    return writer.take();
  };
}

function shape(transform: Transform, records: RecordLines, index: number): string {
  const fields = parseFields(records, index);
  try {
    return JSON.stringify(transform(fields));
  } catch (error) {
    throw new BadRecord(index, error);
  }
}
