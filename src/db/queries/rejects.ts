import type pg from 'pg';
import type { ReplayOutcome } from '../../domain/record.ts';
import type { Database } from '../database.ts';
import { and, desc, eq, sql } from '../drizzle.ts';
import { type RejectRow, type RunRow, rejects, runs } from '../schema.ts';

/** How many rejects are read at a time. A text is no larger than a page: memory depends on this, not on their number. */
export const REJECTS_AT_A_TIME = 100;

/** Which rejects are meant: of these runs and, unless it is null, with this reason. */
export interface RejectFilter {
  readonly runs: readonly string[];
  readonly reason: string | null;
}

/** The newest run that has rejects. */
export async function latestRunWithRejects({ orm }: Database): Promise<RunRow | undefined> {
  const found = await orm.select().from(runs).where(hasRejects).orderBy(desc(runs.createdAt), desc(runs.id)).limit(1);
  return found[0];
}

/** The runs of a dataset that have rejects, the newest first. */
export async function runsWithRejects({ orm }: Database, dataset: string): Promise<RunRow[]> {
  return orm
    .select()
    .from(runs)
    .where(and(eq(runs.dataset, dataset), hasRejects))
    .orderBy(desc(runs.createdAt), desc(runs.id));
}

const hasRejects = sql`exists (select from ${rejects} where ${rejects.runId} = ${runs.id})`;

export interface RejectCount {
  readonly run: string;
  readonly reason: string;
  /** Null: not replayed yet. */
  readonly outcome: ReplayOutcome | null;
  readonly count: number;
}

/** How many rejects runs have, by reason and by what came of replaying them; the most frequent first. */
export async function countRejects({ orm }: Database, filter: RejectFilter): Promise<RejectCount[]> {
  const count = sql<number>`count(*)::int`;
  return orm
    .select({ run: rejects.runId, reason: rejects.reason, outcome: rejects.outcome, count })
    .from(rejects)
    .where(matching(filter))
    .groupBy(rejects.runId, rejects.reason, rejects.outcome)
    .orderBy(desc(count), rejects.reason);
}

/** A reject as it is listed: without the record, which may be large. */
export type ListedReject = Omit<RejectRow, 'record'> & { readonly dataset: string };

/** The newest rejects first. */
export async function listRejects({ orm }: Database, filter: RejectFilter, limit: number): Promise<ListedReject[]> {
  return orm
    .select({
      id: rejects.id,
      runId: rejects.runId,
      dataset: runs.dataset,
      sliceNumber: rejects.sliceNumber,
      key: rejects.key,
      reason: rejects.reason,
      detail: rejects.detail,
      createdAt: rejects.createdAt,
      replayedAt: rejects.replayedAt,
      outcome: rejects.outcome,
    })
    .from(rejects)
    .innerJoin(runs, eq(runs.id, rejects.runId))
    .where(matching(filter))
    .orderBy(desc(rejects.id))
    .limit(limit);
}

function matching({ runs: ids, reason }: RejectFilter) {
  const isOfRuns = sql`${rejects.runId} = any(${sql.param([...ids])}::text[])`; // any number of them
  return and(isOfRuns, reason === null ? undefined : eq(rejects.reason, reason));
}

/** The rejects of one run in the order in which they were written, some at a time, each page by a query of its own. */
export async function* readRejects(
  { pool }: Pick<Database, 'pool'>,
  run: string,
  reason: string | null,
): AsyncGenerator<RejectRow[]> {
  for (let after = 0; ; ) {
    const { rows } = await pool.query<RejectRow>(
      `select ${COLUMNS} from sheaf.rejects
       where run_id = $1 and id > $2 and ($3::text is null or reason = $3) order by id limit ${REJECTS_AT_A_TIME}`,
      [run, after, reason],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    after = last.id;
  }
}

/** The next rejects of a run before one that are not settled, the newest first, locked for whoever replays them. */
export async function lockUnsettled(
  client: pg.PoolClient,
  { run, reason, before }: { readonly run: string; readonly reason: string | null; readonly before: number },
): Promise<RejectRow[]> {
  const { rows } = await client.query<RejectRow>(
    `select ${COLUMNS} from sheaf.rejects
     where run_id = $1 and id < $2 and ($3::text is null or reason = $3) and (outcome is null or outcome = 'rejected')
     order by id desc limit ${REJECTS_AT_A_TIME} for update`,
    [run, before, reason],
  );
  return rows;
}

const COLUMNS = `id, run_id as "runId", slice_number as "sliceNumber", key, reason, detail, record, created_at as "createdAt",
  replayed_at as "replayedAt", outcome`;
