// Measures what the pages cost: how long the page of a run with 5,000 slices takes, and what ten viewers of a
// harvest cost. `npm run bench:pages [windows]`. Ends with 1 where that is more than it may be.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ServedSheaf, serveSheaf } from '../scripts/served-sheaf.ts';
import type { Database } from '../src/db/database.ts';
import { cancelRun } from '../src/db/queries/runs.ts';
import { readSliceMap } from '../src/db/queries/slice-map.ts';
import { launchRun } from '../src/runtime/harvest.ts';
import { startWorker } from '../src/runtime/worker.ts';
import { generateData } from '../src/twin/generated-data.ts';
import { median } from './median.ts';
import { serverProcess } from './postgres.ts';
import { hasProc, processorMs } from './processes.ts';

const WINDOWS = Number(process.argv[2] ?? 8);
const VIEWERS = 10;
const SLICES = 5_000;
/** How long is looked at a time: every duty of a worker comes as often in each window. */
const WINDOW_MS = 10_000;
/** Viewers may not cost a harvest more than this part of its time, nor the page of a large run more than this. */
const MOST_COST = 0.02;
const MOST_PAGE_MS = 200;
/** What two cores can do in a second, in milliseconds. */
const TWO_CORES_MS = 2_000;

const dataset = generateData({ seed: 1849, scale: 0.2, entities: ['Stemme'] });
const sheaf = await serveSheaf({ dataset, latencyMs: 500 });
const worker = await startWorker(sheaf.context, 4);
try {
  await measureViewers(sheaf);
  await measurePage(sheaf);
} finally {
  await worker.stop();
  await sheaf.stop();
}

/**
 * What viewers cost is a hundredth of what a harvest does, and no two harvests take equally long. So it is measured beside
 * one that the source holds up: there, what looking costs is a good part of all that goes on.
 */
async function measureViewers({ context, request, url }: ServedSheaf): Promise<void> {
  const run = await launchRun(context, request('oda/Stemme', { formats: [] }));
  await sleep(WINDOW_MS); // everything has been compiled and planned once by then
  const added: number[] = [];
  let before = await workedFor(context.database);
  for (let window = 0; window < WINDOWS; window++) {
    const viewers = await startViewers(`${url}/runs/${run}/events`);
    const watched = await workedFor(context.database);
    viewers.kill();
    const after = await workedFor(context.database);
    added.push(watched - (before + after) / 2);
    console.log(`${before.toFixed(1)} ms a second, watched ${watched.toFixed(1)}, then ${after.toFixed(1)}`);
    before = after;
  }
  const mean = added.reduce((sum, each) => sum + each, 0) / added.length;
  console.log(
    `${VIEWERS} viewers cost ${mean.toFixed(1)} ms of processor time a second (median ${median(added).toFixed(1)}): ` +
      `${((100 * mean) / TWO_CORES_MS).toFixed(2)} % of a harvest that has two cores to itself`,
  );
  if (mean > MOST_COST * TWO_CORES_MS) process.exitCode = 1;
  await cancelRun(context.database, run);
}

/** What this process and PostgreSQL work in a second, in milliseconds, as measured for some seconds. */
async function workedFor(database: Database): Promise<number> {
  const before = await worked(database);
  await sleep(WINDOW_MS);
  return ((await worked(database)) - before) / (WINDOW_MS / 1_000);
}

/** Viewers in a process of their own, who have all been sent something: what they cost their own machine does not count. */
async function startViewers(address: string): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('./viewers.ts', import.meta.url));
  const child = spawn(process.execPath, [program, address, String(VIEWERS)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function measurePage({ context, request, url }: ServedSheaf): Promise<void> {
  const { pool } = context.database;
  await worker.stop(); // nobody shall work what is made up here
  const run = await launchRun(context, request('oda/Stemme'));
  await pool.query('delete from sheaf.slices where run_id = $1', [run]);
  await pool.query(
    `insert into sheaf.slices (run_id, number, state, span, pages, records)
     select $1, n, (array['done', 'done', 'done', 'pending', 'failed'])[1 + n % 5], '{"after": 0, "upto": 1}', 20, 2000
     from generate_series(1, ${SLICES}) n`,
    [run],
  );
  await pool.query(`update sheaf.runs set slice_count = ${SLICES} where id = $1`, [run]);
  await pool.query('analyze sheaf.slices');
  const pageMs: number[] = [];
  const lookMs: number[] = [];
  let bytes = 0;
  for (let round = 0; round < 15; round++) {
    pageMs.push(
      await timed(async () => {
        bytes = (await (await fetch(`${url}/runs/${run}`)).arrayBuffer()).byteLength;
      }),
    );
    lookMs.push(await timed(() => readSliceMap(context.database, run)));
  }
  console.log(
    `the page of a run with ${SLICES} slices: ${median(pageMs).toFixed(1)} ms, ${Math.round(bytes / 1_000)} kB`,
  );
  if (median(pageMs) > MOST_PAGE_MS) process.exitCode = 1;
  console.log(`  one look at its slices, as once a second while it is watched: ${median(lookMs).toFixed(1)} ms`);
}

/** Processor time of this process and of its PostgreSQL, in milliseconds. Linux only: elsewhere without PostgreSQL's. */
async function worked({ pool }: Database): Promise<number> {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000 + (hasProc ? processorMs(await serverProcess(pool)) : 0);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
