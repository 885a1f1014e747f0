import { join } from 'node:path';
import { changesKnownFrom } from '../db/queries/changes.ts';
import { aloneInFolder } from '../db/queries/exports.ts';
import { readRecords, readRecordsAsOf } from '../db/queries/records.ts';
import { parseDataset } from '../domain/dataset.ts';
import { UsageError } from '../domain/errors.ts';
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
  /** The records as they were then; null for as they are. */
  readonly asOf: Date | null;
}

/**
 * Writes the records of a dataset, as they are or were at a moment, to `OUT/<source>-<entity>/current/` or `…/as-of-<moment>/`,
 * in key order, fields in the metadata's order. What was there before is replaced, in whatever formats it was. Throws a UsageError for a dataset that was never
 * harvested.
 */
export async function exportDataset(
  { database, reach }: Pick<SheafContext, 'database' | 'reach'>,
  request: DatasetExport,
): Promise<readonly ExportedFile[]> {
  const known = await findKnownDataset({ database }, request.dataset);
  const { source } = reach(parseDataset(request.dataset).source);
  const names = known.fields.map((field) => field.name);
  await requireKnown(database, request.asOf);
  const canonical = request.shape === 'canonical' ? source.canonicalShape(known.entity) : null;
  const directory = join(request.out, request.dataset.replace('/', '-'), folderOf(request));
  const staged = await writeExports({
    directory,
    baseName: request.dataset.replace('/', '-'),
    formats: request.formats,
    columns: canonical?.columns ?? names,
    transform: canonical === null ? orderFields(names) : (record) => canonical.toCanonical(record),
    records:
      request.asOf === null
        ? readRecords(database, request.dataset)
        : readRecordsAsOf(database, request.dataset, request.asOf),
    manifest: {
      dataset: request.dataset,
      shape: request.shape,
      exportedAt: new Date().toISOString(),
      ...(request.asOf === null ? {} : { asOf: request.asOf.toISOString() }),
    },
  });
  try {
    const files = await aloneInFolder(database, directory, () => staged.publish());
    return files.map((file) => ({ ...file, dataset: request.dataset }));
  } finally {
    await staged.discard();
  }
}

function folderOf({ asOf }: DatasetExport): string {
  return asOf === null ? 'current' : `as-of-${asOf.toISOString().replaceAll(':', '').slice(0, 17)}Z`;
}

async function requireKnown(database: SheafContext['database'], asOf: Date | null): Promise<void> {
  if (asOf === null) return;
  const from = await changesKnownFrom(database);
  if (asOf >= from) return;
  throw new UsageError(
    `What was before ${from.toISOString()} is not known: changes are kept from then on. Ask for a later moment.`,
    { code: 'not-known-then', facts: { asked: asOf.toISOString(), from: from.toISOString() } },
  );
}
