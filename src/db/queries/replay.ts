import type pg from 'pg';
import type { NormalisedRecord, RejectedRecord } from '../../domain/record.ts';
import { type Database, inTransaction } from '../database.ts';
import type { RunRow } from '../schema.ts';
import { judge } from './judge-records.ts';
import { beginMerge, noteMerged } from './merge.ts';
import { makePartition } from './partitions.ts';
import { lockUnsettled } from './rejects.ts';

export interface ReplayBatch {
  readonly run: Pick<RunRow, 'id' | 'dataset' | 'sourceUrl'>;
  /** Rejects of nested records of this dataset; null for the run's own. */
  readonly related: string | null;
  /** Only rejects with this reason; null for all. */
  readonly reason: string | null;
  /** Only rejects with a smaller id: where the batch before this one ended. */
  readonly before: number;
  /** What today's source makes of a kept record. */
  readonly normalise: (text: string) => NormalisedRecord | RejectedRecord;
  /** Finds out what would come of it, and writes nothing. */
  readonly isDryRun: boolean;
}

export interface ReplayCounts {
  readonly taken: number;
  readonly superseded: number;
  readonly rejected: number;
}

export type BatchResult =
  | { readonly kind: 'replayed'; readonly counts: ReplayCounts; readonly before: number }
  /** There is no reject left. */
  | { readonly kind: 'done' }
  /** The run has been set going again, or is gone: its rejects are not for us any more. */
  | { readonly kind: 'reopened' };

/** A kept record that can be taken now. */
interface Candidate {
  readonly id: number;
  readonly record: NormalisedRecord;
}

interface StillRejected {
  readonly id: number;
  readonly reject: RejectedRecord;
}

/**
 * Replays the next rejects of a run, in one transaction, under the lock that merges of the dataset take: nothing else
 * writes its records meanwhile, and of several replays at once each reject is taken by one. The run's row is locked
 * first, as a merge does it, and cannot be resumed before this is over.
 */
export async function replayBatch({ pool }: Pick<Database, 'pool'>, batch: ReplayBatch): Promise<BatchResult> {
  const run = { ...batch.run, dataset: batch.related ?? batch.run.dataset };
  return inTransaction(pool, async (client) => {
    const held = await client.query(
      `select from sheaf.runs where id = $1 and state in ('complete', 'partial') and merged_generation = generation for share`,
      [run.id],
    );
    if (held.rowCount !== 1) return { kind: 'reopened' };
    const at = await beginMerge(client, run.dataset);
    const rejects = await lockUnsettled(client, { ...batch, run: run.id });
    const last = rejects.at(-1);
    if (last === undefined) return { kind: 'done' };
    await client.query('savepoint replay');
    const { candidates, still } = await sortOut(client, rejects, batch.normalise);
    if (candidates.length > 0) await makePartition(client, run.dataset);
    const counts = { ...(await take(client, { run, candidates, at })), rejected: await keep(client, still, at) };
    if (counts.taken > 0) await noteMerged(client, run.dataset, at);
    if (batch.isDryRun) await client.query('rollback to savepoint replay');
    return { kind: 'replayed', counts, before: last.id };
  });
}

async function sortOut(
  client: pg.PoolClient,
  rejects: readonly { readonly id: number; readonly record: string }[],
  normalise: ReplayBatch['normalise'],
): Promise<{ candidates: Candidate[]; still: StillRejected[] }> {
  const candidates: Candidate[] = [];
  const still: StillRejected[] = [];
  for (const { id, record: text } of rejects) {
    const row = normalise(text);
    if ('reason' in row) still.push({ id, reject: row });
    else candidates.push({ id, record: row });
  }
  const { refused } = await judge(
    client,
    candidates.map(({ record }) => record),
  );
  const reasons = new Map(refused.map((reject) => [reject.text, reject]));
  const storable: Candidate[] = [];
  for (const candidate of candidates) {
    const reject = reasons.get(candidate.record.json.toString());
    if (reject === undefined) storable.push(candidate);
    else still.push({ id: candidate.id, reject });
  }
  return { candidates: storable, still };
}

/**
 * Merges records into the table, each unless something newer is known of it: that is said by
 * - a later reject of the same key in this batch;
 * - a complete run over the whole dataset that was planned after the reject was written: it has seen all that there is,
 *   and this record either came with it or is gone from the source;
 * - the record in the table: it is the same, its own timestamp is not older, or it was written or deleted since. What
 *   was written by the replay of an older reject does not count as written since.
 */
async function take(
  client: pg.PoolClient,
  {
    run,
    candidates,
    at,
  }: { readonly run: ReplayBatch['run']; readonly candidates: readonly Candidate[]; readonly at: string },
): Promise<Pick<ReplayCounts, 'taken' | 'superseded'>> {
  const records = candidates.map(({ record }) => record);
  const { rows } = await client.query<{ taken: number; superseded: number }>(TAKE, [
    run.dataset,
    run.sourceUrl,
    candidates.map(({ id }) => id),
    records.map((record) => record.key),
    records.map((record) => record.hash),
    records.map((record) => record.timestamp),
    records.map((record) => record.json.toString()),
    at,
    run.id,
  ]);
  return rows[0] ?? { taken: 0, superseded: 0 };
}

const TAKE = `
  with candidate as materialized (
    select c.*, j.created_at as seen_at
    from unnest($3::bigint[], $4::text[], $5::uuid[], $6::timestamp[], $7::text[])
           as c (id, key, hash, source_timestamp, record)
    join sheaf.rejects j on j.id = c.id
  ), later_run as (
    select max(r.created_at) as planned_at from sheaf.runs r
    where r.dataset = $1 and r.source_url = $2 and r.state = 'complete' and r.merged_generation = r.generation
      and sheaf.is_full_sweep(r)
  ), known as (
    select c.id
    from candidate c cross join lateral (
      -- The limit keeps it a look-up by key: a plan over the whole dataset, for a hundred keys, is never right.
      select * from sheaf.records where dataset = $1 and key = c.key collate "C" limit 1) r
    where r.deleted_at > c.seen_at
       or r.deleted_at is null and (r.hash = c.hash or r.source_timestamp >= c.source_timestamp)
       or r.changed_at > c.seen_at and not exists (
            select from sheaf.rejects o join sheaf.runs f on f.id = o.run_id
            where o.outcome = 'taken' and o.key collate "C" = r.key and o.replayed_at = r.changed_at
              and coalesce(o.dataset, f.dataset) = $1
              and (o.created_at, o.id) < (c.seen_at, c.id))
  ), judged as materialized (
    select c.*, c.seen_at < l.planned_at is true
             or c.id in (select k.id from known k)
             or c.id <> first_value(c.id) over (partition by c.key order by c.seen_at desc, c.id desc) as is_superseded
    from candidate c cross join later_run l
  ), merged as (
    insert into sheaf.records as r (dataset, key, data, hash, source_timestamp, first_seen_at, changed_at)
    select $1, key, record::jsonb, hash, source_timestamp, $8::timestamptz, $8::timestamptz from judged where not is_superseded
    on conflict (dataset, key) do update
      set data = excluded.data, hash = excluded.hash, source_timestamp = excluded.source_timestamp,
          changed_at = excluded.changed_at, deleted_at = null
  ), noted as (
    insert into sheaf.changes (at, dataset, key, kind, run_id, fields, before)
    select $8::timestamptz, $1, d.key, case when r.key is null then 'insert' else 'update' end, $9,
           case when r.key is not null then sheaf.differing_fields(r.data, d.record::jsonb) end, r.data
    from judged d left join sheaf.records r on r.dataset = $1 and r.key = d.key collate "C" and r.deleted_at is null
    where not d.is_superseded
  ), marked as (
    update sheaf.rejects j
    set replayed_at = $8::timestamptz, key = d.key, outcome = case when d.is_superseded then 'superseded' else 'taken' end
    from judged d where j.id = d.id
    returning j.outcome)
  select count(*) filter (where outcome = 'taken') as taken,
         count(*) filter (where outcome = 'superseded') as superseded
  from marked`;

/** Writes today's reason down where a record still cannot be taken. */
async function keep(client: pg.PoolClient, still: readonly StillRejected[], at: string): Promise<number> {
  await client.query(
    `update sheaf.rejects j
     set replayed_at = $5, outcome = 'rejected', key = s.key, reason = s.reason, detail = s.detail
     from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as s (id, key, reason, detail) where j.id = s.id`,
    [
      still.map(({ id }) => id),
      still.map(({ reject }) => reject.key?.replaceAll('\0', '\ufffd') ?? null), // text cannot hold U+0000
      still.map(({ reject }) => reject.reason),
      still.map(({ reject }) => reject.detail),
      at,
    ],
  );
  return still.length;
}
