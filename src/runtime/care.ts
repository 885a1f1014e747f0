import { changesKnownFrom, maintainChanges } from '../db/queries/changes.ts';
import { type DatasetStats, datasetStats, type TableStats, tableStats } from '../db/queries/stats.ts';
import type { SheafContext } from './context.ts';

export interface Maintained {
  /** Months of the change log that were dropped. */
  readonly dropped: readonly string[];
  /** Changes before this are not known. */
  readonly changesFrom: string;
}

/** What the database needs now and then: the months of the change log made ahead, and dropped when they are old. */
export async function maintain({
  database,
  settings,
}: Pick<SheafContext, 'database' | 'settings'>): Promise<Maintained> {
  const dropped = await maintainChanges(database, settings.SHEAF_CHANGES_MONTHS);
  return { dropped, changesFrom: (await changesKnownFrom(database)).toISOString() };
}

export interface DatabaseStats {
  readonly datasets: readonly DatasetStats[];
  readonly tables: readonly TableStats[];
  readonly changesFrom: string;
}

/** What the database holds, and the room that it takes. */
export async function describeDatabase({ database }: Pick<SheafContext, 'database'>): Promise<DatabaseStats> {
  const changesFrom = (await changesKnownFrom(database)).toISOString();
  return { datasets: await datasetStats(database), tables: await tableStats(database), changesFrom };
}
