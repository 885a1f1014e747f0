import { join } from 'node:path';
import { readRecords } from '../db/queries/records.ts';
import { parseDataset } from '../domain/dataset.ts';
import type { ExportFormat, Shape } from '../domain/harvest-request.ts';
import type { ExportedFile } from '../domain/report.ts';
import { orderFields } from '../exporters/order-fields.ts';
import { writeExports } from '../exporters/write-export.ts';
import type { SheafContext } from './context.ts';
import { findKnownDataset } from './inspect.ts';

export interface DatasetExport {
  readonly dataset: string;
  readonly formats: readonly ExportFormat[];
  readonly shape: Shape;
  readonly out: string;
}

/**
 * Writes the current records of a dataset to `OUT/<source>-<entity>/current/`, in key order, fields in the metadata's
 * order. What was there before is replaced, file by file, each whole. Throws a UsageError for a dataset that was never
 * harvested.
 */
export async function exportDataset(
  { database, reach }: SheafContext,
  request: DatasetExport,
): Promise<readonly ExportedFile[]> {
  const known = await findKnownDataset({ database }, request.dataset);
  const { source } = reach(parseDataset(request.dataset).source);
  const names = known.fields.map((field) => field.name);
  const canonical = request.shape === 'canonical' ? source.canonicalShape(known.entity) : null;
  const staged = await writeExports({
    directory: join(request.out, request.dataset.replace('/', '-'), 'current'),
    baseName: request.dataset.replace('/', '-'),
    formats: request.formats,
    columns: canonical?.columns ?? names,
    transform: canonical === null ? orderFields(names) : (record) => canonical.toCanonical(record),
    records: readRecords(database, request.dataset),
    manifest: { dataset: request.dataset, shape: request.shape, exportedAt: new Date().toISOString() },
  });
  try {
    return await staged.publish();
  } finally {
    await staged.discard();
  }
}
