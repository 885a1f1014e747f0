import pg from 'pg';
import { isStoreTrouble } from '../../domain/classify.ts';
import type { Drift } from '../../domain/drift.ts';
import type { NormalisedRecord, RejectedRecord } from '../../domain/record.ts';
import type { Span } from '../../domain/span.ts';
import { sendCopy } from '../copy-message.ts';
import { CopyRows } from '../copy-rows.ts';
import { type Database, inTransaction } from '../database.ts';
import { noteDrift } from './drift.ts';
import { judge } from './judge-records.ts';
import { insertRejects } from './rejects.ts';
import { insertRelated, judgeRelated, type RelatedPage, relatedTable } from './related.ts';
import type { Claim } from './slices.ts';

/** The staging table of a run, quoted. */
export function stagingTable(run: string): string {
  return `sheaf.${pg.escapeIdentifier(`staging_${run.replaceAll('-', '_')}`)}`;
}

/**
 * A query of the rows of a staging table without their records, each key once: of overlapping pages the last one staged
 * counts. `place` tells where in the table a row stands. Records are wide: whoever compares or sorts should not carry them.
 */
export function placesOf(table: string, hasDuplicates: boolean): string {
  const columns = 'key, hash, source_timestamp, ctid as place';
  const all = `select ${columns} from ${table}`;
  return hasDuplicates ? `select distinct on (key) ${columns} from ${table} order by key, ctid desc` : all;
}

/** Makes a run's staging table; safe to call again. Autovacuum has no business with rows that live for minutes. */
export async function createStaging({ pool }: Database, run: string): Promise<void> {
  await pool.query(
    `create unlogged table if not exists ${stagingTable(run)} (like sheaf.staging including all) with (autovacuum_enabled = false)`,
  );
}

/** Drops a run's staging table. One that somebody still reads is left to `dropOldStaging`. */
export async function dropStaging({ pool }: Database, run: string): Promise<void> {
  await dropQuietly(pool, stagingTable(run));
  await dropQuietly(pool, relatedTable(run));
}

async function dropQuietly(pool: pg.Pool, table: string): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = '3s'`);
    await client.query(`drop table if exists ${table}`);
  }).catch((error: unknown) => {
    if (!isStoreTrouble(error)) throw error;
  });
}

/**
 * Drops staging tables that nobody will need again: of runs that ended without being complete more than `days` ago, and
 * of runs that are not there any more. A run that is resumed after that fetches everything again.
 */
export async function dropOldStaging({ pool }: Database, days: number): Promise<number> {
  const { rows } = await pool.query<{ name: string }>(
    `select c.relname as name from pg_class c
     left join sheaf.runs r on replace(r.id, '-', '_') = substring(c.relname from '_(.*)')
     where c.relnamespace = 'sheaf'::regnamespace and c.relkind = 'r' and c.relname ~ '^(staging|related)_'
       and (r.id is null or r.state in ('complete', 'cancelled') or r.finished_at < now() - make_interval(days => $1))`,
    [days],
  );
  for (const { name } of rows) await dropQuietly(pool, `sheaf.${pg.escapeIdentifier(name)}`);
  return rows.length;
}

/** One page, or several that follow each other, as they go into the ledger: rows, and what they move. */
export interface StagedPages {
  /** As `writeRows` has written them. */
  readonly rows: CopyRows;
  readonly rejects: readonly RejectedRecord[];
  /** What their rows show, and no page of the slice before them. */
  readonly drift: readonly Drift[];
  /** How many pages. */
  readonly pages: number;
  readonly requests: number;
  readonly bytes: number;
  /** Everything up to here is staged once they are. */
  readonly cursor: number;
  /** The slice has no page after them. */
  readonly isLast: boolean;
  /** What the slice leaves to new slices, in order: from then on it ends where they begin. Nearly always empty. */
  readonly give: readonly Span[];
  /** What came nested in the records; left out where no relations are followed. */
  readonly related?: RelatedPage;
}

interface NormalisedPage {
  readonly records: readonly NormalisedRecord[];
  readonly rejects: readonly RejectedRecord[];
}

/** What a page brings, before PostgreSQL was asked about what it might not be able to hold. */
type ComingPage = NormalisedPage & Pick<StagedPages, 'related'>;

/**
 * Adds a page of a slice to the rows that are to be staged, as soon as it has come: they hold its bytes then, and nothing
 * needs the page any more. Records that PostgreSQL could not hold are among the rejects instead.
 */
export async function writeRows(
  { pool }: Pick<Database, 'pool'>,
  slice: number,
  { page, rows }: { readonly page: ComingPage; readonly rows: CopyRows },
): Promise<Pick<StagedPages, 'rejects' | 'related'>> {
  const { storable, refused } = await judge(pool, page.records);
  const related = page.related && (await judgeRelated(pool, page.related, refused));
  addRows(rows, slice, storable);
  return { rejects: [...page.rejects, ...refused], ...(related && { related }) };
}

export type StageResult =
  /** In, exactly once. `given` are the numbers of the slices split off, `drift` is what the run had not met with. */
  | ({ readonly kind: 'staged'; readonly rejects: number } & Effects)
  /** The claim no longer holds, or the run no longer fetches; nothing was written. */
  | { readonly kind: 'fenced' };

interface Effects {
  readonly given: readonly number[];
  readonly drift: readonly Drift[];
}

/** Room for what comes with most plans, in bytes. */
const PLANNED_SIZE = 64 * 1024;

/** `sheaf.advance_slice` raises it. */
const FENCED = 'SF001';

/**
 * Stages pages: their rows and rejects, the slice's new cursor and counts, and a split if there is one, all in one
 * transaction under the fence. However often a page's job runs, its rows are in once (invariant 1).
 *
 * The commit does not wait for the disk: staging is unlogged, so a crash of PostgreSQL empties it and the run's slices
 * are fetched again whatever the ledger remembers.
 */
export async function stagePages(database: Database, claim: Claim, pages: StagedPages): Promise<StageResult> {
  const { rejects, related } = pages;
  const isPlain = rejects.length + pages.give.length + pages.drift.length === 0 && related === undefined;
  try {
    const effects = isPlain
      ? await stageRows(database.pool, claim, pages)
      : await inTransaction(database.pool, async (client): Promise<Effects> => {
          await copyPages(client, claim, pages);
          await insertRejects(client, claim, rejects);
          if (related !== undefined) await insertRelated(client, claim, related);
          const given = pages.give.length === 0 ? [] : await giveAway(client, claim, pages.give);
          return { given, drift: await noteDrift(client, claim.run, pages.drift) };
        });
    return { kind: 'staged', rejects: rejects.length, ...effects };
  } catch (error) {
    if ((error as { code?: string }).code === FENCED) return { kind: 'fenced' };
    throw error;
  }
}

/**
 * Most pages bring rows and nothing else. These are one message, which PostgreSQL carries out as one transaction: each
 * message more would cost as much as twenty rows do.
 */
async function stageRows(pool: pg.Pool, claim: Claim, pages: StagedPages): Promise<Effects> {
  const client = await pool.connect();
  try {
    await copyPages(client, claim, pages);
    client.release();
    return { given: [], drift: [] };
  } catch (error) {
    client.release(true); // what state the connection is in is not worth a question: this is rare
    throw error;
  }
}

/** Under the fence: moves the slice on and copies the pages' rows, in one message. */
async function copyPages(client: pg.PoolClient, claim: Claim, pages: StagedPages): Promise<void> {
  const statements = ['set local synchronous_commit = off', advance(claim, pages), copyInto(claim.run)];
  await sendCopy(client, statements, pages.rows);
}

function copyInto(run: string): string {
  return `copy ${stagingTable(run)} (slice_number, key, hash, source_timestamp, record) from stdin (format binary)`;
}

function addRows(rows: CopyRows, slice: number, records: readonly NormalisedRecord[]): void {
  for (const { key, hash, timestamp, json } of records) {
    rows.startRow(5, key.length * 3 + json.length);
    rows.addInteger(slice);
    rows.addText(key);
    rows.addUuid(hash);
    rows.addTimestamp(timestamp);
    rows.addBytes(json);
  }
}

/** What a plan brought along: rows that need not be fetched again. */
type PlannedPage = NormalisedPage & Pick<StagedPages, 'drift'>;

/**
 * Stages the page that came with a plan, and settles the plan's only slice with it, before the plan is sealed. The
 * request counts as one of planning. Returns the drift that the run had not met with.
 */
export async function stagePlanned(database: Database, run: string, page: PlannedPage): Promise<readonly Drift[]> {
  const slice = 1;
  const rows = new CopyRows(PLANNED_SIZE);
  const { rejects } = await writeRows(database, slice, { page, rows });
  return inTransaction(database.pool, async (client) => {
    await client.query(
      `update sheaf.slices
       set state = 'done', cursor = (span ->> 'upto')::bigint, pages = 1, records = $3, rejects = $4, staged_at = now()
       where run_id = $1 and number = $2`,
      [run, slice, rows.count, rejects.length],
    );
    await insertRejects(client, { run, slice }, rejects);
    await sendCopy(client, [copyInto(run)], rows);
    return noteDrift(client, run, page.drift);
  });
}

/** The call that moves the slice on; values are written out, because a message of several statements takes no parameters. */
function advance({ run, slice, attempt }: Claim, staged: StagedPages): string {
  const unretried = staged.pages + (staged.related?.parts ?? 0);
  const counts = [staged.rows.count, staged.rejects.length, staged.requests, unretried, staged.bytes];
  const numbers = [slice, attempt, staged.cursor, ...counts].map(Math.trunc); // numbers for sure, whatever came
  const isCut = false; // `giveAway` cuts it: not always where the page ends
  return `call sheaf.advance_slice(${pg.escapeLiteral(run)}, ${numbers.join(', ')}, ${staged.isLast}, ${isCut}, ${staged.pages})`;
}

async function giveAway(client: pg.PoolClient, claim: Claim, spans: readonly Span[]): Promise<number[]> {
  // The run's row is the lock: two slices that split at once must not choose the same numbers.
  const { rows } = await client.query<{ number: number }>(
    `with cut as (
       update sheaf.slices set span = jsonb_set(span, '{upto}', ($2::jsonb[])[1] -> 'after')
       where run_id = $1 and number = $3),
     raised as (
       update sheaf.runs set slice_count = slice_count + cardinality($2::jsonb[]) where id = $1 returning slice_count)
     insert into sheaf.slices (run_id, number, span)
     select $1, raised.slice_count - cardinality($2::jsonb[]) + given.ordinality, given.span
     from raised, unnest($2::jsonb[]) with ordinality as given (span, ordinality)
     returning number`,
    [claim.run, spans.map((span) => JSON.stringify(span)), claim.slice],
  );
  return rows.map((row) => row.number);
}

/** What is staged, by slice. An empty map when the table has gone with a crash, or was never made. */
export async function stagedBySlice({ pool }: Database, run: string): Promise<ReadonlyMap<number, number>> {
  const { rows } = await pool.query<{ slice: number; count: number }>(
    `select slice_number as slice, count(*) as count from ${stagingTable(run)} group by slice_number`,
  );
  return new Map(rows.map((row) => [row.slice, row.count]));
}

export async function countDistinctKeys({ pool }: Database, run: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`select count(distinct key) as count from ${stagingTable(run)}`);
  return rows[0]?.count ?? 0;
}
