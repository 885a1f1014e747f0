// Measures what a sweep that finds nothing changed writes: `npm run bench:resweep [records]`, a million unless told otherwise.
// Ends with 1 where the second was not complete with all of them unchanged, a row version was written, or 5 MB of WAL or more besides what staging the same takes.
import { setTimeout as sleep } from 'node:timers/promises';
import { serveSheaf } from '../scripts/served-sheaf.ts';
import type { Database } from '../src/db/database.ts';
import { getRun } from '../src/db/queries/runs.ts';
import { launchRun, watchRuns } from '../src/runtime/harvest.ts';
import { reportRun } from '../src/runtime/report.ts';
import { startWorker } from '../src/runtime/worker.ts';
import { generateData } from '../src/twin/generated-data.ts';

const STEMME = 1_839_500; // records at scale 1
const DATASET = 'oda/Stemme';
const ALLOWED_WAL = 5_000_000;

const records = Number(process.argv[2] ?? 1_000_000);
const dataset = generateData({ seed: 1849, scale: records / STEMME, entities: ['Stemme'] });
const sheaf = await serveSheaf({ dataset });
const { database } = sheaf.context;
const worker = await startWorker(sheaf.context, 4);
try {
  console.log(`first: ${await harvest(true)}`);
  await database.pool.query('vacuum analyze'); // what the first one left to be done is not the second one's
  await database.pool.query('checkpoint');
  const before = await written(database);
  const staged = Promise.withResolvers<Written>();
  console.log(`again: ${await harvest(false, (run) => afterStaging(run).then(staged.resolve, staged.reject))}`);
  const after = await written(database);
  const staging = (await staged.promise).wal - before.wal;
  const beyond = after.wal - before.wal - staging;
  const versions = after.versions - before.versions;
  console.log(
    `WAL: ${megabytes(staging)} while staging, ${megabytes(beyond)} beyond; ${versions} versions of records and changes`,
  );
  if (beyond >= ALLOWED_WAL || versions > 0) process.exitCode = 1;
} finally {
  await worker.stop();
  await sheaf.stop();
}

async function harvest(isFirst: boolean, onLaunch: (run: string) => void = () => undefined): Promise<string> {
  const run = await launchRun(sheaf.context, sheaf.request(DATASET, { formats: [] }));
  onLaunch(run);
  await watchRuns(sheaf.context, [run], { signal: AbortSignal.timeout(3_600_000), onProgress: () => undefined });
  const report = await reportRun(database, run);
  const { state, expected, inserted, updated, unchanged, deleted, durationMs } = report;
  const found = isFirst ? inserted : unchanged;
  if (state !== 'complete' || found !== expected)
    throw new Error(`not what was to be measured: ${JSON.stringify(report)}`);
  return `${state}, ${inserted} inserted, ${updated} updated, ${unchanged} unchanged, ${deleted} deleted in ${durationMs} ms`;
}

/** What has been written by the time that a run has all its pages. */
async function afterStaging(run: string): Promise<Written> {
  for (;;) {
    const { state } = await getRun(database, run);
    if (state !== 'fetching') return written(database);
    await sleep(20);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}

interface Written {
  /** Bytes of write-ahead log since the server was made. */
  readonly wal: number;
  /** Row versions of records and changes since then: of what was inserted, updated or deleted. */
  readonly versions: number;
}

async function written({ pool }: Database): Promise<Written> {
  await pool.query('select pg_stat_force_next_flush()');
  const { rows } = await pool.query<Written>(
    `select (pg_current_wal_insert_lsn() - '0/0')::bigint as wal,
            sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint as versions
     from pg_stat_user_tables
     where relid in (select relid from pg_partition_tree('sheaf.records') union all
                     select relid from pg_partition_tree('sheaf.changes'))`,
  );
  if (rows[0] === undefined) throw new Error('the server told nothing');
  return rows[0];
}
