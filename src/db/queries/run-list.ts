import type { RunState } from '../../domain/run.ts';
import type { SliceState } from '../../domain/slice.ts';
import type { Database } from '../database.ts';
import { and, asc, desc, eq, gt, inArray, sql } from '../drizzle.ts';
import { type RunRow, runs, type SliceRow, slices } from '../schema.ts';
import type { SliceTotals } from './slices.ts';

/** A run's place in the list of all runs, the newest first: its time to the microsecond, and its id. */
export type RunPosition = readonly [createdAt: string, id: string];

export interface RunListQuery {
  readonly dataset?: string | undefined;
  readonly states?: readonly RunState[] | undefined;
  /** The last run of the page before; null for the first page. */
  readonly after: RunPosition | null;
  readonly limit: number;
}

export interface ListedRun {
  readonly run: RunRow;
  readonly totals: Pick<SliceTotals, 'records' | 'pages' | 'requests' | 'retries' | 'rejects'>;
  readonly position: RunPosition;
}

/** Runs with the sums over their slices, the newest first. */
export async function pageOfRuns(database: Database, query: RunListQuery): Promise<ListedRun[]> {
  const { dataset, states, after, limit } = query;
  const rows = await database.orm
    .select({ run: runs, createdAt: sql<string>`${runs.createdAt}::text` })
    .from(runs)
    .where(
      and(
        dataset === undefined ? undefined : eq(runs.dataset, dataset),
        states === undefined ? undefined : inArray(runs.state, [...states]),
        after === null ? undefined : sql`(${runs.createdAt}, ${runs.id}) < (${after[0]}::timestamptz, ${after[1]})`,
      ),
    )
    .orderBy(desc(runs.createdAt), desc(runs.id))
    .limit(limit);
  const totals = await totalsOf(
    database,
    rows.map(({ run }) => run.id),
  );
  return rows.map(({ run, createdAt }) => ({
    run,
    totals: totals.get(run.id) ?? NOTHING,
    position: [createdAt, run.id],
  }));
}

const NOTHING: ListedRun['totals'] = { records: 0, pages: 0, requests: 0, retries: 0, rejects: 0 };

async function totalsOf({ pool }: Database, ids: readonly string[]): Promise<ReadonlyMap<string, ListedRun['totals']>> {
  const { rows } = await pool.query<ListedRun['totals'] & { run: string }>(
    `select run_id as run, sum(records)::float8 as records, sum(pages)::float8 as pages, sum(requests)::float8 as requests,
            sum(retries)::float8 as retries, sum(rejects)::float8 as rejects
     from sheaf.slices where run_id = any($1) group by run_id`,
    [ids],
  );
  return new Map(rows.map(({ run, ...totals }) => [run, totals]));
}

export interface SliceListQuery {
  readonly states?: readonly SliceState[] | undefined;
  /** The number of the last slice of the page before; 0 for the first page. */
  readonly after: number;
  readonly limit: number;
}

/** A run's slices in the order of their numbers. */
export async function pageOfSlices({ orm }: Database, run: string, query: SliceListQuery): Promise<SliceRow[]> {
  const { states, after, limit } = query;
  const inStates = states === undefined ? undefined : inArray(slices.state, [...states]);
  return orm
    .select()
    .from(slices)
    .where(and(eq(slices.runId, run), gt(slices.number, after), inStates))
    .orderBy(asc(slices.number))
    .limit(limit);
}
