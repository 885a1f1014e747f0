import { changesKnownFrom, type MaintainedChanges, maintainChanges } from '../db/queries/changes.ts';
import { type DatasetStats, datasetStats, type TableStats, tableStats } from '../db/queries/stats.ts';
import type { SheafContext } from './context.ts';

export interface Maintained extends MaintainedChanges {
  /** Changes before this are not known. */
  readonly changesFrom: string;
}

/** What the database needs now and then: the months of the change log made ahead, and dropped when they are old. */
export async function maintain({
  database,
  settings,
  telemetry,
}: Pick<SheafContext, 'database' | 'settings' | 'telemetry'>): Promise<Maintained> {
  const { SHEAF_CHANGES_MONTHS: months, SHEAF_FEED_HOLD_MONTHS: held } = settings;
  const done = await maintainChanges(database, { months, held });
  if (done.held !== null) telemetry.emit('feed.held', { month: done.held });
  for (const gap of done.gaps) telemetry.emit('feed.gap', gap);
  return { ...done, changesFrom: (await changesKnownFrom(database)).toISOString() };
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
