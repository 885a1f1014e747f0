import { CopyRows } from '../src/db/copy-rows.ts';
import type { Database } from '../src/db/database.ts';
import { analyzeStaged } from '../src/db/queries/analyze.ts';
import { beginFinalising, claimFinalise, type FinaliseClaim, insertRun, sealRun } from '../src/db/queries/runs.ts';
import { claimSlice, insertSlices } from '../src/db/queries/slices.ts';
import { countDistinctKeys, createStaging, stagedBySlice, stagePages, writeRows } from '../src/db/queries/staging.ts';
import { registerWorker } from '../src/db/queries/workers.ts';
import { REQUEST_DEFAULTS } from '../src/domain/harvest-request.ts';
import type { Entity, NormalisedRecord } from '../src/domain/record.ts';
import { isReject, normaliseText } from '../src/sources/normalise.ts';
import { rowTextAt } from '../src/twin/table.ts';
import type { TwinData } from '../src/twin/twin-data.ts';

export const DATASET = 'oda/Sag';
/** What staging and merging ask of an entity. */
export const ENTITY: Entity = {
  name: 'Sag',
  keyField: 'id',
  timestampField: 'opdateringsdato',
  fields: [{ name: 'id', type: 'integer', isNullable: false }],
  relations: [],
};

const PAGE = 500;
const BYTES_A_ROW = 1_500;

interface Staging {
  readonly run: string;
  readonly rows: number;
  readonly data: TwinData;
}

/**
 * Brings a run to where its merge is the next thing to be done, by the functions that a harvest calls: planned, sealed, each
 * page staged under its fence, counted as verification does.
 */
export async function stageRun(database: Database, { run, rows, data }: Staging): Promise<FinaliseClaim> {
  const worker = await registerWorker(database, {
    ...{ host: 'bench', pid: process.pid, session: database.session, version: '0', concurrency: 1 },
  });
  await planRun(database, run, rows);
  const claim = await claimSlice(database, { run, slice: 1, attempt: 0 }, worker);
  if (claim === undefined) throw new Error('the slice was not to be had');
  for (let from = 0; from < rows; from += PAGE) {
    const upto = Math.min(rows, from + PAGE);
    const records = readRecords(data, from, upto);
    const counts = { drift: [], pages: 1, requests: 1, bytes: 0 };
    const copied = new CopyRows(records.length * BYTES_A_ROW);
    const { rejects } = await writeRows(database, claim.slice, { page: { records, rejects: [] }, rows: copied });
    const position = { cursor: upto, isLast: upto === rows, give: [] };
    const { kind } = await stagePages(database, claim, { rows: copied, rejects, ...counts, ...position });
    if (kind !== 'staged') throw new Error(`a page was ${kind}`);
  }
  const begun = await beginFinalising(database, run);
  const finalising = begun && (await claimFinalise(database, { run, generation: begun.generation }, worker));
  if (finalising === undefined) throw new Error('the run was not to be finalised');
  await verify(database, run, rows);
  return finalising;
}

async function planRun(database: Database, run: string, rows: number): Promise<void> {
  const span = { after: 0, upto: rows };
  await insertRun(database, {
    id: run,
    dataset: DATASET,
    request: { ...REQUEST_DEFAULTS, dataset: { source: 'oda', entity: 'Sag' }, formats: [], out: '/nowhere' },
    entity: ENTITY,
    sourceUrl: 'http://127.0.0.1/',
    strategy: 'keyset',
    span,
    pageSize: PAGE,
    ...{ expected: rows, planRequests: 0, timeWindow: null, sourceLatest: null, isPlannedWhole: false, ranges: null },
  });
  await createStaging(database, run);
  await insertSlices(database, run, [span]);
  await sealRun(database, run);
}

function readRecords(data: TwinData, from: number, upto: number): NormalisedRecord[] {
  const table = data.table(ENTITY.name);
  if (table === undefined) throw new Error('there is no Sag');
  return Array.from({ length: upto - from }, (_nothing, offset) => {
    const record = normaliseText(rowTextAt(table, from + offset) ?? '', ENTITY);
    if (isReject(record)) throw new Error(record.detail);
    return record;
  });
}

/** Verification looks at all that is staged before a merge does, and so it is what marks those rows as committed. */
async function verify(database: Database, run: string, rows: number): Promise<void> {
  await analyzeStaged(database, { id: run, expand: null });
  const [bySlice, keys] = [await stagedBySlice(database, run), await countDistinctKeys(database, run)];
  if (bySlice.get(1) !== rows || keys !== rows) throw new Error(`${keys} of ${rows} keys are staged`);
}
