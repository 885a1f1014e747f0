import { readNested, readRelated, readStaged } from '../db/queries/records.ts';
import type { RunRow } from '../db/schema.ts';
import { datasetName } from '../domain/dataset.ts';
import type { ExportFormat, Shape } from '../domain/harvest-request.ts';
import type { Entity } from '../domain/record.ts';
import { relatedEntities } from '../domain/relations.ts';
import type { ExportSet } from '../exporters/write-export.ts';
import type { Source, SourceQuery } from '../sources/source.ts';
import type { WorkContext } from './work-context.ts';

/** What an export's records look like: its columns, and how a record is made to fit them, if it is changed at all. */
type ExportShape = Pick<ExportSet, 'columns' | 'transform'>;

interface Exported {
  readonly run: RunRow;
  readonly source: Source;
  readonly query: SourceQuery;
  /** Of rows that are staged under one key, only the last one is written. */
  readonly hasDuplicates: boolean;
  readonly signal: AbortSignal;
}

/**
 * The files of a run: those of its own records, and of each entity whose records came nested in them. Files that nest show
 * those inside their parents instead; CSV has no place for that, and is always flat.
 */
export function exportSets({ database }: Pick<WorkContext, 'database'>, exported: Exported): ExportSet[] {
  const { run, source, query, hasDuplicates, signal } = exported;
  const { formats, shape, relations } = run.request;
  const isNested = (format: ExportFormat) => relations === 'nested' && format !== 'csv';
  const nested = formats.filter(isNested);
  const flat = formats.filter((format) => !isNested(format));
  const own = { baseName: fileNameOf(run.dataset), ...exportShape(source, query, shape) };
  const sets: ExportSet[] = [
    { ...own, formats: nested, records: readNested(database, run.id, { signal }) },
    { ...own, formats: flat, records: readStaged(database, run.id, { hasDuplicates, signal }) },
  ];
  for (const entity of relatedEntities(run.expand ?? [])) {
    const dataset = relatedDataset(run, entity);
    if (dataset === run.dataset) continue; // its files are the run's own
    const query = { entity, selection: { filter: null, select: null, maxRecords: null } };
    const records = readRelated(database, run.id, { dataset, signal });
    sets.push({ baseName: fileNameOf(dataset), ...exportShape(source, query, shape), formats: flat, records });
  }
  return sets.filter((set) => set.formats.length > 0);
}

/** The datasets of a run's nested records. */
export function relatedDatasets(run: Pick<RunRow, 'expand' | 'request'>): readonly string[] {
  return relatedEntities(run.expand ?? []).map((entity) => relatedDataset(run, entity));
}

function relatedDataset({ request }: Pick<RunRow, 'request'>, { name }: Entity): string {
  return datasetName({ source: request.dataset.source, entity: name });
}

/** A dataset's name as files and folders bear it. */
export function fileNameOf(dataset: string): string {
  return dataset.replace('/', '-');
}

/** The columns come from the metadata, narrowed by the selection: the same for every run, whatever its records hold. */
function exportShape(
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
