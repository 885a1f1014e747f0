import type pg from 'pg';
import type { MergeCounts, RelatedCounts } from '../../domain/proof.ts';
import type { Entity } from '../../domain/record.ts';
import { type Database, inTransaction } from '../database.ts';
import { type Loaded, type Part, writeAll } from './first-load.ts';
import { readClaimed, Superseded, stillWanted, untilReady } from './merge-claim.ts';
import { type Covering, MISSING } from './missing.ts';
import { attachPartition } from './partitions.ts';
import { relatedPlaces, relatedTable } from './related.ts';
import type { FinaliseClaim } from './runs.ts';
import { placesOf, stagingTable } from './staging.ts';

/** What verification counted in a run's staging table. */
export interface StagedRows {
  readonly distinctKeys: number;
  /** Some key is staged more than once (overlapping pages): the last one staged counts. */
  readonly hasDuplicates: boolean;
}

interface MergeOptions {
  readonly dataset: string;
  readonly entity: Pick<Entity, 'keyField' | 'timestampField'>;
  readonly rows: StagedRows;
  /** Writes what was staged. Not where it is keys without content. */
  readonly writesContent: boolean;
  /** Marks what the run did not see as deleted; only for a sweep that was proved complete. */
  readonly marksDeleted: boolean;
  /** How many records verification found that the run did not see: there are no more of them at the merge. */
  readonly missing: number;
  /** The datasets of records that came nested; left out where no relations were followed. */
  readonly related?: readonly string[];
  /** Of a repair: marks within these only. */
  readonly ranges: Covering['ranges'];
  /** Must be fulfilled before anything of the merge is to be seen; when it fails, the merge fails with it. */
  readonly ready?: Promise<unknown>;
}

/** What was verified is not there any more: PostgreSQL has crashed since, and emptied it. */
export class StagedRowsLost extends Error {
  constructor(run: string) {
    super(`What run ${run} had staged is gone since it was verified: it is verified again`);
  }
}

/** One merge under way. */
interface Merge extends MergeOptions {
  readonly run: string;
  /** The moment that its changes bear, as text: PostgreSQL's microseconds do not fit into a Date. */
  readonly at: string;
  /** What it has filled and not attached yet. */
  readonly loaded: Loaded;
}

/**
 * Brings `records` in step with what a run has staged, and notes each change, in one transaction: a reader sees the run
 * whole or not at all. Rows are compared by hash first, and only those that differ are parsed and written. Done once a
 * generation: a second call returns what the first one counted. Undefined when the claim no longer holds.
 *
 * Only at its end does it take the run's row, and look whether the claim still holds: until then the run can be cancelled.
 */
export async function mergeStaged(
  { pool }: Database,
  claim: FinaliseClaim,
  options: MergeOptions,
): Promise<MergeCounts | undefined> {
  const { related: datasets = [] } = options;
  await pool.query('select sheaf.make_change_months(1)');
  return inTransaction(pool, async (client) => {
    const run = await readClaimed(client, claim);
    if (run === undefined) throw new Superseded();
    if (run.merge !== null) {
      await options.ready;
      return run.merge;
    }
    const at = await beginMerge(client, options.dataset, ...datasets);
    const merge: Merge = { ...options, run: claim.run, at, loaded: new Map() };
    const waiting = { claim, ready: options.ready };
    await stillWanted(client, waiting);
    await refuseEmptied(client, merge);
    const own = await write(client, merge);
    const related: RelatedCounts[] = [];
    for (const dataset of datasets) {
      await stillWanted(client, waiting);
      related.push(await writeRelated(client, merge, dataset));
    }
    await untilReady(client, waiting);
    // Not before: whoever attaches one, too, waits from here until this has ended.
    for (const partition of merge.loaded.values()) await attachPartition(client, partition);
    const counts = related.length === 0 ? own : { ...own, related };
    await settle(client, { claim, merge, counts });
    return counts;
  }).catch((error: unknown) => {
    if (error instanceof Superseded) return undefined;
    throw error;
  });
}

/** A crash leaves nothing of an unlogged table. One that comes after this ends the merge itself. */
async function refuseEmptied(client: pg.PoolClient, { run, rows: { distinctKeys } }: Merge): Promise<void> {
  const { rows } = await client.query<{ isEmpty: boolean }>('select pg_relation_size($1) = 0 as "isEmpty"', [
    stagingTable(run),
  ]);
  if (distinctKeys > 0 && rows[0]?.isEmpty !== false) throw new StagedRowsLost(run);
}

interface Settling {
  readonly claim: FinaliseClaim;
  readonly merge: Merge;
  readonly counts: MergeCounts;
}

/** The last writes, of rows that others wait for: what the merge came to, and when. */
async function settle(client: pg.PoolClient, { claim, merge, counts }: Settling): Promise<void> {
  const { rowCount } = await client.query(
    `update sheaf.runs set merged_generation = generation, merge = $3
     where id = $1 and attempt = $2 and state = 'finalising'`,
    [claim.run, claim.attempt, JSON.stringify(counts)],
  );
  if (rowCount !== 1) throw new Superseded();
  if (counts.inserted + counts.updated + counts.deleted + counts.rekeyed > 0)
    await noteMerged(client, merge.dataset, merge.at);
  for (const { dataset, inserted, updated } of counts.related ?? [])
    if (inserted + updated > 0) await noteMerged(client, dataset, merge.at);
}

/**
 * Keeps other merges of the datasets out until the transaction ends. Returns the moment that its changes bear: later than
 * that of any merge before it, whatever the clock does, so that whoever reads changes in their order misses none.
 */
export async function beginMerge(client: pg.PoolClient, ...datasets: readonly string[]): Promise<string> {
  // In one order for all, so that two merges that share datasets cannot wait for each other.
  for (const dataset of [...new Set(datasets)].toSorted())
    await client.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`sheaf merge ${dataset}`]);
  const { rows } = await client.query<{ at: string }>(
    `select greatest(clock_timestamp(), max(merged_at) + interval '1 microsecond')::text as at
     from sheaf.datasets where name = any($1)`,
    [datasets],
  );
  if (rows[0] === undefined) throw new Error(`the moment of a merge of ${datasets.join(', ')} was not told`);
  return rows[0].at;
}

/** Notes that a merge has changed something. */
export async function noteMerged(client: pg.PoolClient, dataset: string, at: string): Promise<void> {
  await client.query('update sheaf.datasets set merged_at = $2 where name = $1', [dataset, at]);
}

async function write(client: pg.PoolClient, merge: Merge): Promise<MergeCounts> {
  if (!merge.writesContent) return markOnly(client, merge);
  const { hasDuplicates } = merge.rows;
  const table = stagingTable(merge.run);
  const rows = {
    table,
    places: placesOf(table, hasDuplicates),
    isWhole: !hasDuplicates,
    records: merge.rows.distinctKeys,
  };
  const written = await writeRows(client, merge, { ...merge, ...rows });
  const deleted = await markMissing(client, merge);
  const rekeyed = deleted > 0 && written.inserted > 0 ? await pairRekeyed(client, merge) : 0;
  return {
    inserted: written.inserted - rekeyed,
    updated: written.updated,
    unchanged: merge.rows.distinctKeys - written.inserted - written.updated,
    deleted: deleted - rekeyed,
    rekeyed,
  };
}

/** Of keys alone nothing can be written, and nothing said of what is unchanged. */
async function markOnly(client: pg.PoolClient, merge: Merge): Promise<MergeCounts> {
  const deleted = await markMissing(client, merge);
  return { inserted: 0, updated: 0, unchanged: 0, deleted, rekeyed: 0 };
}

type Written = Pick<MergeCounts, 'inserted' | 'updated'>;

async function writeRows(client: pg.PoolClient, { loaded }: Pick<Merge, 'loaded'>, part: Part): Promise<Written> {
  if (part.records === 0) return { inserted: 0, updated: 0 };
  const existing = await client.query('select from sheaf.records where dataset = $1 limit 1', [part.dataset]);
  if (existing.rowCount !== 0) return writeDiffering(client, part);
  return { inserted: await writeAll(client, part, loaded), updated: 0 };
}

/**
 * Merges what came nested of one dataset. Nothing is deleted by it: a record that came in no parent may well be there.
 *
 * Of the run's own dataset only those records are taken that the run has not brought by itself, and none when it has seen
 * all there are: what it has not seen is gone.
 */
async function writeRelated(client: pg.PoolClient, merge: Merge, dataset: string): Promise<RelatedCounts> {
  const { run, at } = merge;
  const isOwn = dataset === merge.dataset;
  const others = !isOwn ? '' : `where not exists (select from ${stagingTable(run)} s where s.key = n.key)`;
  // Sorted out once: what follows reads it several times, and is planned by how many they are.
  await client.query(
    `create temporary table nested on commit drop as
     select * from (${relatedPlaces(run, dataset)}) as n ${others} limit ${isOwn && merge.marksDeleted ? 0 : 'all'}`,
  );
  await client.query('analyze pg_temp.nested');
  const places = 'select key, hash, source_timestamp, place from pg_temp.nested';
  const { rows } = await client.query<{ records: number }>('select count(*) as records from pg_temp.nested');
  const records = rows[0]?.records ?? 0;
  const part = { run, dataset, at, table: relatedTable(run), places, isWhole: false, records };
  const written = await writeRows(client, merge, part);
  await client.query('drop table pg_temp.nested');
  return { dataset, records, ...written, unchanged: records - written.inserted - written.updated };
}

/**
 * Another run has written the record, or marked it as deleted, since this one was planned: which of the two has seen the
 * newer version cannot be told, unless the source's timestamp says so. The next run will. ($1 dataset, $2 run)
 */
const IS_LEFT_ALONE = `(
  coalesce(r.changed_at > (select created_at from sheaf.runs where id = $2), false)
  and not coalesce(s.source_timestamp > r.source_timestamp, false)
  and not exists (select from sheaf.changes own
                  where own.dataset = $1 and own.at = r.changed_at and own.key = r.key and own.run_id = $2))`;

/** First by hash, without the records; what differs is few as a rule, and is looked up and written after that. */
async function writeDiffering(client: pg.PoolClient, part: Part): Promise<Written> {
  await client.query(
    'create temporary table differing (place tid, key text collate "C", is_new boolean) on commit drop',
  );
  const differing = await findDiffering(client, part);
  if (differing > 0) await client.query('analyze pg_temp.differing');
  const written = differing === 0 ? { inserted: 0, updated: 0 } : await writeFound(client, part);
  await client.query('drop table pg_temp.differing');
  return written;
}

async function findDiffering(client: pg.PoolClient, { run, dataset, places }: Part): Promise<number> {
  const { rowCount } = await client.query(
    `insert into pg_temp.differing
     select s.place, s.key, r.key is null or r.deleted_at is not null
     from (${places}) s
     left join sheaf.records r on r.dataset = $1 and r.key = s.key
     where (r.hash is distinct from s.hash or r.deleted_at is not null) and not ${IS_LEFT_ALONE}`,
    [dataset, run],
  );
  return rowCount ?? 0;
}

async function writeFound(client: pg.PoolClient, { run, dataset, table, at }: Part): Promise<Written> {
  const { rows: counted } = await client.query<Written>(
    `with differing as materialized (
       select d.key, s.hash, s.source_timestamp, s.record::jsonb as data, r.data as before, d.is_new
       from pg_temp.differing d
       join ${table} s on s.ctid = d.place
       left join sheaf.records r on r.dataset = $1 and r.key = d.key and not d.is_new
     ), written as (
       insert into sheaf.records as r (dataset, key, data, hash, source_timestamp, first_seen_at, changed_at)
       select $1, key, data, hash, source_timestamp, $2::timestamptz, $2::timestamptz from differing
       on conflict (dataset, key) do update
         set data = excluded.data, hash = excluded.hash, source_timestamp = excluded.source_timestamp,
             changed_at = excluded.changed_at, deleted_at = null
     ), noted as (
       insert into sheaf.changes (at, dataset, key, kind, run_id, fields, before)
       select $2, $1, key, case when is_new then 'insert' else 'update' end, $3,
              case when not is_new then sheaf.differing_fields(before, data) end,
              case when not is_new then before end
       from differing)
     select count(*) filter (where is_new) as inserted, count(*) filter (where not is_new) as updated from differing`,
    [dataset, at, run],
  );
  return counted[0] ?? { inserted: 0, updated: 0 };
}

async function markMissing(
  client: pg.PoolClient,
  { run, ranges, dataset, at, marksDeleted, missing }: Merge,
): Promise<number> {
  if (!marksDeleted || missing === 0) return 0;
  const { rowCount } = await client.query(
    `with gone as (
       update sheaf.records r set deleted_at = $3::timestamptz, changed_at = $3::timestamptz
       where ${MISSING({ id: run, ranges })}
       returning r.key, r.data)
     insert into sheaf.changes (at, dataset, key, kind, run_id, before)
     select $3, $2, key, 'delete', $1, data from gone`,
    [run, dataset, at],
  );
  return rowCount ?? 0;
}

/**
 * Sources delete rows and bring them back under new keys. A row that went and one that came in the same merge, with the
 * same content but for key and timestamp, are told to be one; several of the same content are paired in key order.
 * Returns the number of pairs.
 */
async function pairRekeyed(client: pg.PoolClient, { dataset, entity, at }: Merge): Promise<number> {
  // Nothing is known yet of rows that this transaction has written: the planner would take them for a few.
  await client.query('set local enable_nestloop = off');
  const { rows } = await client.query<{ pairs: number }>(
    `with went as (
       select key, before - $3::text[] as content from sheaf.changes
       where dataset = $1 and at = $2 and kind = 'delete'
     ), came as (
       select c.key, r.data - $3::text[] as content
       from sheaf.changes c join sheaf.records r on r.dataset = $1 and r.key = c.key
       where c.dataset = $1 and c.at = $2 and c.kind = 'insert'
     ), paired as materialized (
       select went.key as old, came.key as new
       from (select *, row_number() over (partition by content order by length(key), key) as nth from went) went
       join (select *, row_number() over (partition by content order by length(key), key) as nth from came) came
            using (content, nth)
       where content <> '{}'
     ), named as (
       update sheaf.changes c set other_key = n.other
       from (select 'delete' as kind, old as key, new as other from paired
             union all select 'insert', new, old from paired) n
       where c.dataset = $1 and c.at = $2 and c.kind = n.kind and c.key = n.key)
     select count(*) as pairs from paired`,
    [dataset, at, [entity.keyField, ...(entity.timestampField === null ? [] : [entity.timestampField])]],
  );
  await client.query('set local enable_nestloop to default');
  return rows[0]?.pairs ?? 0;
}
