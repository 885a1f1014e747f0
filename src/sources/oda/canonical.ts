import type { CanonicalShape } from '../source.ts';

/** Column of the canonical shape → field of the source. */
const CANONICAL_FIELDS: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map([
  ['Sag', { id: 'id', title: 'titel', type: 'typeid', status: 'statusid', period: 'periodeid' }],
  ['Aktør', { id: 'id', name: 'navn', type: 'typeid', party: 'gruppenavnkort' }],
]);

/** The canonical shape of an entity, or null where the source's own shape is it. A field that is missing becomes null. */
export function canonicalShapeOf(entity: string): CanonicalShape | null {
  const fields = CANONICAL_FIELDS.get(entity);
  if (fields === undefined) return null;
  const pairs = Object.entries(fields);
  return {
    columns: pairs.map(([column]) => column),
    toCanonical: (record) => Object.fromEntries(pairs.map(([column, field]) => [column, record[field] ?? null])),
  };
}
