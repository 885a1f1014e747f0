import type pg from 'pg';
import type { MergeCounts } from '../../domain/report.ts';
import { type Database, inTransaction } from '../database.ts';
import type { FinaliseClaim } from './runs.ts';
import { stagingTable } from './staging.ts';

/** How many rows are read at a time: memory depends on this, not on the size of what is read. */
const READ_ROWS = 2_000;

/** Keys in the order of numbers where they are numbers: shorter decimal numbers are smaller ones. */
const KEY_ORDER = 'length(key), key';

interface MergeOptions {
  readonly dataset: string;
  readonly rows: StagedRows;
}

/** What verification counted in a run's staging table. */
export interface StagedRows {
  readonly distinctKeys: number;
  /** Some key is staged more than once (overlapping pages): the last one staged counts. */
  readonly hasDuplicates: boolean;
}

/**
 * Brings `records` in step with what a run has staged, in one transaction: a reader sees the run whole or not at all.
 * Rows are compared by hash first, and only those that differ are parsed and written. Done once a generation: a second
 * call returns what the first one counted. Undefined when the claim no longer holds.
 */
export async function mergeStaged(
  { pool }: Database,
  claim: FinaliseClaim,
  { dataset, rows }: MergeOptions,
): Promise<MergeCounts | undefined> {
  await pool.query(`analyze ${stagingTable(claim.run)}`);
  return inTransaction(pool, async (client) => {
    const run = await lockRun(client, claim);
    if (run === undefined || run.merge !== null) return run?.merge ?? undefined;
    await client.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`sheaf merge ${dataset}`]);
    const written = await writeDiffering(client, stagedRows(claim.run, rows.hasDuplicates), dataset);
    const counts = { ...written, unchanged: rows.distinctKeys - written.inserted - written.updated, deleted: 0 };
    await client.query('update sheaf.runs set merged_generation = generation, merge = $2 where id = $1', [
      claim.run,
      JSON.stringify(counts),
    ]);
    return counts;
  });
}

async function lockRun(
  client: pg.PoolClient,
  claim: FinaliseClaim,
): Promise<{ merge: MergeCounts | null } | undefined> {
  const { rows } = await client.query<{ merge: MergeCounts | null }>(
    `select case when merged_generation = generation then merge end as merge
     from sheaf.runs where id = $1 and attempt = $2 and state = 'finalising' for update`,
    [claim.run, claim.attempt],
  );
  return rows[0];
}

function stagedRows(run: string, hasDuplicates: boolean): string {
  const columns = 'key, hash, source_timestamp, record';
  const all = `select ${columns} from ${stagingTable(run)}`;
  return hasDuplicates ? `select distinct on (key) ${columns} from ${stagingTable(run)} order by key, ctid desc` : all;
}

async function writeDiffering(
  client: pg.PoolClient,
  staged: string,
  dataset: string,
): Promise<{ inserted: number; updated: number }> {
  const existing = await client.query('select from sheaf.records where dataset = $1 limit 1', [dataset]);
  const differing =
    existing.rowCount === 0
      ? staged
      : `select s.* from (${staged}) s left join sheaf.records r on r.dataset = $1 and r.key = s.key
         where r.hash is distinct from s.hash or r.deleted_at is not null`;
  const { rows } = await client.query<{ inserted: number; updated: number }>(
    `with written as (
       insert into sheaf.records as r (dataset, key, data, hash, source_timestamp, first_seen_at, changed_at)
       select $1, key, record::jsonb, hash, source_timestamp, now(), now() from (${differing}) as d
       on conflict (dataset, key) do update
         set data = excluded.data, hash = excluded.hash, source_timestamp = excluded.source_timestamp,
             changed_at = now(), deleted_at = null
       returning r.first_seen_at = r.changed_at as is_new)
     select count(*) filter (where is_new) as inserted, count(*) filter (where not is_new) as updated from written`,
    [dataset],
  );
  return rows[0] ?? { inserted: 0, updated: 0 };
}

/** The records a run has staged, in key order, as the source's own JSON texts, some thousands at a time. */
export function readStaged(database: Database, run: string, hasDuplicates: boolean): AsyncGenerator<string[]> {
  return readTexts(
    database,
    `select record as text from (${stagedRows(run, hasDuplicates)}) as staged order by ${KEY_ORDER}`,
    [],
  );
}

/** The current records of a dataset, in key order, as JSON texts (PostgreSQL's spelling, the source's values). */
export function readRecords(database: Database, dataset: string): AsyncGenerator<string[]> {
  return readTexts(
    database,
    `select data::text as text from sheaf.records where dataset = $1 and deleted_at is null order by ${KEY_ORDER}`,
    [dataset],
  );
}

async function* readTexts({ pool }: Database, query: string, values: unknown[]): AsyncGenerator<string[]> {
  const client = await pool.connect();
  try {
    await client.query('begin read only');
    await client.query(`declare reading no scroll cursor for ${query}`, values);
    for (;;) {
      const { rows } = await client.query<[string]>({ text: `fetch ${READ_ROWS} from reading`, rowMode: 'array' });
      if (rows.length === 0) break;
      yield rows.map((row) => row[0]);
    }
  } finally {
    const isUsable = await client.query('rollback').then(
      () => true,
      () => false,
    );
    client.release(!isUsable);
  }
}
