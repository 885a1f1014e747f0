import type pg from 'pg';
import type { RejectedRecord, ReplayOutcome } from '../../domain/record.ts';
import type { Database } from '../database.ts';
import { and, desc, eq, sql } from '../drizzle.ts';
import { type RejectRow, type RunRow, rejects, runs } from '../schema.ts';
import type { Claim } from './slices.ts';

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

/** Keeps what could not be taken, in the transaction of its page. `dataset`: of nested records theirs, of others null. */
export async function insertRejects(
  client: pg.PoolClient,
  { run, slice }: Pick<Claim, 'run' | 'slice'>,
  rejects: readonly RejectedRecord[],
  dataset: string | null = null,
): Promise<void> {
  if (rejects.length === 0) return;
  await client.query(
    `insert into sheaf.rejects (run_id, slice_number, dataset, key, reason, detail, record)
     select $1, $2, $7, * from unnest($3::text[], $4::text[], $5::text[], $6::text[])`,
    [
      run,
      slice,
      rejects.map((reject) => reject.key?.replaceAll('\0', '\ufffd') ?? null), // text cannot hold U+0000
      rejects.map((reject) => reject.reason),
      rejects.map((reject) => reject.detail),
      rejects.map((reject) => reject.text),
      dataset,
    ],
  );
}

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

/** The dataset that a reject is of: that of a nested record, or the run's. */
export const rejectedOf = sql<string>`coalesce(${rejects.dataset}, ${runs.dataset})`;

/** A reject as it is listed: without the record, which may be large. */
export type ListedReject = Omit<RejectRow, 'record'> & { readonly dataset: string };

/** The newest rejects first. */
export async function listRejects({ orm }: Database, filter: RejectFilter, limit: number): Promise<ListedReject[]> {
  return orm
    .select({
      id: rejects.id,
      runId: rejects.runId,
      dataset: rejectedOf,
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

interface Unsettled {
  readonly run: string;
  /** The dataset of nested records; null for the run's own. */
  readonly related: string | null;
  readonly reason: string | null;
  readonly before: number;
}

/** The next rejects of a run before one that are not settled, the newest first, locked for whoever replays them. */
export async function lockUnsettled(
  client: pg.PoolClient,
  { run, related, reason, before }: Unsettled,
): Promise<RejectRow[]> {
  const { rows } = await client.query<RejectRow>(
    `select ${COLUMNS} from sheaf.rejects
     where run_id = $1 and id < $2 and ($3::text is null or reason = $3) and (outcome is null or outcome = 'rejected')
       and dataset is not distinct from $4
     order by id desc limit ${REJECTS_AT_A_TIME} for update`,
    [run, before, reason, related],
  );
  return rows;
}

const COLUMNS = `id, run_id as "runId", slice_number as "sliceNumber", dataset, key, reason, detail, record, created_at as "createdAt",
  replayed_at as "replayedAt", outcome`;
