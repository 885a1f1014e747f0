import { onTestFinished } from 'vitest';
import { CopyRows } from '../../src/db/copy-rows.ts';
import type { Database } from '../../src/db/database.ts';
import { ensureDataset } from '../../src/db/queries/datasets.ts';
import { insertRun, sealRun } from '../../src/db/queries/runs.ts';
import { type ClaimedSlice, claimSlice, insertSlices } from '../../src/db/queries/slices.ts';
import {
  createStaging,
  type StagedPages,
  type StageResult,
  stagePages,
  writeRows,
} from '../../src/db/queries/staging.ts';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { openWorkerSession } from '../../src/db/worker-session.ts';
import { REQUEST_DEFAULTS } from '../../src/domain/harvest-request.ts';
import type { Entity, NormalisedRecord } from '../../src/domain/record.ts';
import { freshDatabase } from '../support/database.ts';

const entity: Entity = {
  name: 'Sag',
  keyField: 'id',
  timestampField: null,
  fields: [{ name: 'id', type: 'integer', isNullable: false }],
  relations: [],
};

const request = { ...REQUEST_DEFAULTS, dataset: { source: 'oda', entity: 'Sag' }, out: '/nowhere' };

/** A run of two slices of a hundred keys, sealed unless told otherwise. */
export async function setUpRun({
  isSealed = true,
  id = '20260101-000000-aaaa',
  dataset = 'oda/Sag',
  expected = 10,
  beside = undefined as Database | undefined,
} = {}): Promise<{ database: Database; run: string }> {
  const database = beside ?? (await freshDatabase());
  await ensureDataset(database, { name: dataset, source: 'oda', entity, expected });
  const span = { after: 0, upto: 200 };
  await insertRun(database, {
    id,
    dataset,
    request,
    entity,
    sourceUrl: 'http://127.0.0.1/api/',
    strategy: 'keyset',
    span,
    pageSize: 10,
    expected: 4,
    planRequests: 2,
    timeWindow: null,
    sourceLatest: null,
    isPlannedWhole: false,
    ranges: null,
  });
  await createStaging(database, id);
  await insertSlices(database, id, [
    { after: 0, upto: 100 },
    { after: 100, upto: 200 },
  ]);
  if (isSealed) await sealRun(database, id);
  return { database, run: id };
}

export async function livingWorker(database: Database): Promise<number> {
  const id = await registerWorker(database, {
    host: 'here',
    pid: process.pid,
    session: 'test',
    version: '0',
    concurrency: 1,
  });
  const session = await openWorkerSession(database, id);
  onTestFinished(() => session.close());
  return id;
}

export const deadWorker = (database: Database) =>
  registerWorker(database, { host: 'gone', pid: 1, session: 'test', version: '0', concurrency: 1 });

export function record(id: number): NormalisedRecord {
  const json = Buffer.from(`{"id":${id}}`);
  return { key: String(id), hash: String(id).padStart(32, '0'), timestamp: null, json, needsCheck: false };
}

/** Pages with their records, as they come. */
export type ComingPages = Omit<StagedPages, 'rows'> & { readonly records: readonly NormalisedRecord[] };

/** Stages pages as a worker does it. */
export async function stage(database: Database, claim: ClaimedSlice, page: ComingPages): Promise<StageResult> {
  const rows = new CopyRows(1);
  const written = await writeRows(database, claim.slice, { page, rows });
  return stagePages(database, claim, { ...page, ...written, rows });
}

export function page(ids: readonly number[], changes: Partial<ComingPages> = {}): ComingPages {
  const cursor = ids.at(-1) ?? 0;
  const rest = { rejects: [], drift: [], pages: 1, requests: 1, bytes: 10, cursor, isLast: false, give: [] };
  return { records: ids.map(record), ...rest, ...changes };
}

export async function claimed(database: Database, run: string, slice: number, worker: number, attempt = 0) {
  const claim = await claimSlice(database, { run, slice, attempt }, worker);
  if (claim === undefined) throw new Error('not claimed');
  return claim;
}
