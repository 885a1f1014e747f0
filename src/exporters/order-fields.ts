import type { Fields } from './exporter.ts';

/** Gives records back the metadata's order of fields, which jsonb does not keep; fields it does not know come last. */
export function orderFields(names: readonly string[]): (record: Fields) => Fields {
  return (record) => {
    const ordered: Fields = {};
    for (const name of names) if (Object.hasOwn(record, name)) ordered[name] = record[name];
    return Object.assign(ordered, record);
  };
}
