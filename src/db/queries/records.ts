import pg from 'pg';
import type { RecordLines } from '../../domain/record-lines.ts';
import { copyPlaced, copyRecords } from '../copy-records.ts';
import type { Database } from '../database.ts';
import { nestedPlaces, relatedPlaces, relatedTable } from './related.ts';
import { placesOf, stagingTable } from './staging.ts';

/** Keys in the order of numbers where they are numbers: shorter decimal numbers are smaller ones. */
export const KEY_ORDER = 'length(key), key';

/** How records are read. */
interface Reading {
  /** Ends it, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The records a run has staged, in key order, as the source's own JSON, some hundreds at a time. */
export function readStaged(
  database: Database,
  run: string,
  { hasDuplicates, signal }: Reading & { readonly hasDuplicates: boolean },
): AsyncGenerator<RecordLines> {
  const table = stagingTable(run);
  return copyPlaced(database, { places: placesOf(table, hasDuplicates), table, signal });
}

/** The records of another dataset that came nested in those of a run, in key order. */
export function readRelated(
  database: Database,
  run: string,
  { dataset, signal }: Reading & { readonly dataset: string },
): AsyncGenerator<RecordLines> {
  return copyPlaced(database, { places: relatedPlaces(run, dataset), table: relatedTable(run), signal });
}

/** A run's own records with all that came nested in them, in key order. */
export function readNested(database: Database, run: string, { signal }: Reading): AsyncGenerator<RecordLines> {
  return copyPlaced(database, { places: nestedPlaces(run), table: relatedTable(run), signal });
}

/** The current records of a dataset, in key order, as JSON (PostgreSQL's spelling, the source's values). */
export function readRecords(database: Database, dataset: string): AsyncGenerator<RecordLines> {
  const current = `dataset = ${pg.escapeLiteral(dataset)} and deleted_at is null`;
  return copyRecords(database, `select data::text from sheaf.records where ${current} order by ${KEY_ORDER}`);
}

/** The same as they were at a moment. Throws PostgreSQL's error 22023 for one before changes were kept. */
export function readRecordsAsOf(database: Database, dataset: string, moment: Date): AsyncGenerator<RecordLines> {
  const then = `sheaf.records_as_of(${pg.escapeLiteral(dataset)}, ${pg.escapeLiteral(moment.toISOString())})`;
  return copyRecords(database, `select data::text from ${then} order by ${KEY_ORDER}`);
}
