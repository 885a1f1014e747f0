import { parseLossless } from '../domain/json-text.ts';
import { type RecordLines, textAt } from '../domain/record-lines.ts';
import { BadRecord, type Fields } from './exporter.ts';

/** The fields of one of the records. Throws `BadRecord` for what is not a JSON object. */
export function parseFields(records: RecordLines, index: number): Fields {
  const text = textAt(records, index);
  try {
    const value = parseLossless(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  } catch (error) {
    throw new BadRecord(index, error);
  }
  throw new BadRecord(index, new TypeError(`a record is a JSON object, but this is ${text.slice(0, 40)}`));
}
