import { copyTable, createTable, type Key, putRow, removeRow, type Table } from './table.ts';
import { type InlineRow, keyedRow, type TwinData } from './twin-data.ts';

/** Data that changes while it is served, without touching the dataset it came from. */
export type ChangeableData = {
  readonly current: () => TwinData;
  readonly put: (entity: string, row: InlineRow) => void;
  readonly remove: (entity: string, key: Key) => boolean;
  readonly replaceWith: (dataset: TwinData) => void;
};

/** Wraps a dataset; a table is copied when it is first changed. */
export function changeable(dataset: TwinData): ChangeableData {
  let base = dataset;
  const changed = new Map<string, Table>();
  const view = (): TwinData => ({ schema: base.schema, table: (entity) => changed.get(entity) ?? base.table(entity) });
  let current = view();
  return {
    current: () => current,
    put: (entity, row) => {
      const table = ownTable(entity);
      putRow(table, keyedRow(table.schema, row));
    },
    remove: (entity, key) => removeRow(ownTable(entity), key),
    replaceWith: (next) => {
      base = next;
      changed.clear();
      current = view();
    },
  };

  function ownTable(entity: string): Table {
    const known = changed.get(entity);
    if (known !== undefined) return known;
    const schema = base.schema.get(entity);
    if (schema === undefined) throw new Error(`The twin has no set "${entity}".`);
    const original = base.table(entity);
    const own = original === undefined ? createTable(schema, []) : copyTable(original);
    changed.set(entity, own);
    return own;
  }
}
