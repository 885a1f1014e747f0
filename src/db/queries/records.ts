import type { Database } from '../database.ts';
import { readPlaced, readTexts } from '../read-texts.ts';
import { nestedPlaces, relatedPlaces, relatedTable } from './related.ts';
import { placesOf, stagingTable } from './staging.ts';

/** Keys in the order of numbers where they are numbers: shorter decimal numbers are smaller ones. */
export const KEY_ORDER = 'length(key), key';

/** The records a run has staged, in key order, as the source's own JSON texts, some thousands at a time. */
export function readStaged(database: Database, run: string, hasDuplicates: boolean): AsyncGenerator<string[]> {
  const table = stagingTable(run);
  const places = `select place from (${placesOf(table, hasDuplicates)}) as staged order by ${KEY_ORDER}`;
  return readPlaced(database, { places, table });
}

/** The records of another dataset that came nested in those of a run, in key order. */
export function readRelated(database: Database, run: string, dataset: string): AsyncGenerator<string[]> {
  const places = `select place from (${relatedPlaces(run, dataset)}) as related order by ${KEY_ORDER}`;
  return readPlaced(database, { places, table: relatedTable(run) });
}

/** A run's own records with all that came nested in them, in key order. */
export function readNested(database: Database, run: string): AsyncGenerator<string[]> {
  const places = `select place from (${nestedPlaces(run)}) as nested order by ${KEY_ORDER}`;
  return readPlaced(database, { places, table: relatedTable(run) });
}

/** The current records of a dataset, in key order, as JSON texts (PostgreSQL's spelling, the source's values). */
export function readRecords(database: Database, dataset: string): AsyncGenerator<string[]> {
  return readTexts(
    database,
    `select data::text as text from sheaf.records where dataset = $1 and deleted_at is null order by ${KEY_ORDER}`,
    [dataset],
  );
}

/** The same as they were at a moment. Throws PostgreSQL's error 22023 for one before changes were kept. */
export function readRecordsAsOf(database: Database, dataset: string, moment: Date): AsyncGenerator<string[]> {
  return readTexts(database, `select data::text as text from sheaf.records_as_of($1, $2) order by ${KEY_ORDER}`, [
    dataset,
    moment,
  ]);
}
