import type { Shape } from '../domain/harvest-request.ts';
import type { Source, SourceQuery } from '../sources/source.ts';

/** What an export's records look like: its columns, and how a record is made to fit them, if it is changed at all. */
export interface ExportShape {
  readonly columns: readonly string[];
  readonly transform: ((record: Record<string, unknown>) => Record<string, unknown>) | undefined;
}

/** The columns come from the metadata, narrowed by the selection: the same for every run, whatever its records hold. */
export function exportShape(
  source: Pick<Source, 'canonicalShape'>,
  { entity, selection }: SourceQuery,
  shape: Shape,
): ExportShape {
  const canonical = shape === 'canonical' ? source.canonicalShape(entity.name) : null;
  if (canonical !== null) return { columns: canonical.columns, transform: (record) => canonical.toCanonical(record) };
  const names = entity.fields.map((field) => field.name);
  if (selection.select === null) return { columns: names, transform: undefined };
  const selected = new Set([...selection.select, entity.keyField, entity.timestampField]);
  return { columns: names.filter((name) => selected.has(name)), transform: undefined };
}
