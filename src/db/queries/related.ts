import pg from 'pg';
import type { NormalisedRecord, RejectedRecord } from '../../domain/record.ts';
import { sendCopy } from '../copy-message.ts';
import { CopyRows } from '../copy-rows.ts';
import type { Database } from '../database.ts';
import { judge } from './judge-records.ts';
import { insertRejects } from './rejects.ts';

const { escapeIdentifier, escapeLiteral } = pg;

/** Room for what most pages bring nested, in bytes. */
const INITIAL_SIZE = 256 * 1024;

/** The table for what a run stages besides its own records, quoted. Only runs that follow relations have one. */
export function relatedTable(run: string): string {
  return `sheaf.${escapeIdentifier(`related_${run.replaceAll('-', '_')}`)}`;
}

/** Records of another dataset that came nested in a page. */
export interface RelatedRecords {
  readonly dataset: string;
  readonly records: readonly NormalisedRecord[];
  readonly rejects: readonly RejectedRecord[];
}

/** What comes with a page besides its own records. */
export interface RelatedPage {
  /** Requests that nested collections took besides the page's own, without those that were repeated. */
  readonly parts: number;
  readonly sets: readonly RelatedRecords[];
  /** The page's own records with all that came in them, for files that nest; else empty. */
  readonly documents: readonly Pick<NormalisedRecord, 'key' | 'hash' | 'json'>[];
}

/** Turns what PostgreSQL could not hold into rejects; see `judge`. `refused`: what it could not of the page's own. */
export async function judgeRelated(
  pool: pg.Pool,
  { sets, documents, ...page }: RelatedPage,
  refused: readonly RejectedRecord[],
): Promise<RelatedPage> {
  const judged = await Promise.all(
    sets.map(async ({ dataset, records, rejects }) => {
      const { storable, refused } = await judge(pool, records);
      return { dataset, records: storable, rejects: [...rejects, ...refused] };
    }),
  );
  const isRefused = (key: string) => refused.some((reject) => reject.key === key);
  return { ...page, sets: judged, documents: documents.filter(({ key }) => !isRefused(key)) };
}

/** Makes a run's table for related records; safe to call again. */
export async function createRelated({ pool }: Pick<Database, 'pool'>, run: string): Promise<void> {
  await pool.query(
    `create unlogged table if not exists ${relatedTable(run)} (like sheaf.related including all) with (autovacuum_enabled = false)`,
  );
}

/** Stages what came with a page of a slice, in the page's transaction. Nothing of it counts as the slice's records. */
export async function insertRelated(
  client: pg.PoolClient,
  { run, slice }: { readonly run: string; readonly slice: number },
  { sets, documents }: RelatedPage,
): Promise<void> {
  for (const { dataset, rejects } of sets) await insertRejects(client, { run, slice }, rejects, dataset);
  const rows = sets.reduce((sum, { records }) => sum + records.length, documents.length);
  if (rows === 0) return;
  await client.query('update sheaf.slices set related = related + $3 where run_id = $1 and number = $2', [
    run,
    slice,
    rows,
  ]);
  const copied = new CopyRows(INITIAL_SIZE);
  for (const { dataset, records } of sets) for (const record of records) addRow(copied, { slice, dataset, ...record });
  for (const document of documents) addRow(copied, { slice, dataset: null, timestamp: null, ...document });
  const columns = '(slice_number, dataset, key, hash, source_timestamp, record)';
  await sendCopy(client, [`copy ${relatedTable(run)} ${columns} from stdin (format binary)`], copied);
}

type RelatedRow = Omit<NormalisedRecord, 'needsCheck'> & { readonly slice: number; readonly dataset: string | null };

function addRow(copied: CopyRows, { slice, dataset, key, hash, timestamp, json }: RelatedRow): void {
  copied.startRow(6, ((dataset?.length ?? 0) + key.length) * 3 + json.length);
  copied.addInteger(slice);
  copied.addText(dataset);
  copied.addText(key);
  copied.addUuid(hash);
  copied.addTimestamp(timestamp);
  copied.addBytes(json);
}

/** Takes back what slices have staged, in the transaction that sends them to their start. */
export async function deleteRelated(client: pg.PoolClient, run: string, slices: readonly number[]): Promise<void> {
  const { rows } = await client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
    relatedTable(run),
  ]);
  if (rows[0]?.exists !== true) return;
  await client.query(`delete from ${relatedTable(run)} where slice_number = any($1::int[])`, [[...slices]]);
  await client.query('update sheaf.slices set related = 0 where run_id = $1 and number = any($2::int[])', [
    run,
    [...slices],
  ]);
}

/** How many related rows are staged, by slice. */
export async function relatedBySlice(
  { pool }: Pick<Database, 'pool'>,
  run: string,
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await pool.query<{ slice: number; count: number }>(
    `select slice_number as slice, count(*) as count from ${relatedTable(run)} group by slice_number`,
  );
  return new Map(rows.map((row) => [row.slice, row.count]));
}

/**
 * A query of the related records of a dataset that a run has staged, each key once, without the records (see `placesOf`). A record comes in many parents, which
 * are read one after the other: the version that the source dates last counts, else the one that came last.
 */
export function relatedPlaces(run: string, dataset: string): string {
  return `select distinct on (key) key, hash, source_timestamp, ctid as place from ${relatedTable(run)}
    where dataset = ${escapeLiteral(dataset)} order by key, source_timestamp desc nulls last, ctid desc`;
}

/** The same of a run's own records with all that came in them: the last one staged counts. */
export function nestedPlaces(run: string): string {
  return `select distinct on (key) key, ctid as place from ${relatedTable(run)} where dataset is null order by key, ctid desc`;
}

/** How many rejects a run has among the records of other datasets. Each slice keeps those that it met with: they count once. */
export async function countRelatedRejects(
  client: pg.Pool | pg.PoolClient,
  run: string,
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await client.query<{ dataset: string; count: number }>(
    `select dataset, count(distinct (key, md5(record))) as count from sheaf.rejects
     where run_id = $1 and dataset is not null group by dataset`,
    [run],
  );
  return new Map(rows.map(({ dataset, count }) => [dataset, count]));
}
