// Measures what the pages cost: how long the page of a run with 5,000 slices takes, and by how much ten viewers slow a
// harvest of some seconds down in the same process. `npm run bench:pages [pairs]`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ServedSheaf, serveSheaf } from '../scripts/served-sheaf.ts';
import type { Database } from '../src/db/database.ts';
import { getRun } from '../src/db/queries/runs.ts';
import { readSliceMap } from '../src/db/queries/slice-map.ts';
import { launchRun, watchRuns } from '../src/runtime/harvest.ts';
import { startWorker } from '../src/runtime/worker.ts';
import { generateData } from '../src/twin/generated-data.ts';
import { median } from './median.ts';
import { serverProcess } from './postgres.ts';
import { hasProc, processorMs } from './processes.ts';

const PAIRS = Number(process.argv[2] ?? 7);
const VIEWERS = 10;
const SLICES = 5_000;
/** Of the real volume of Stemme: 370,000 records, some ten seconds. A real harvest takes longer. */
const SCALE = 0.2;

const dataset = generateData({ seed: 1849, scale: SCALE, entities: ['Stemme'] });
const sheaf = await serveSheaf({ dataset });
const worker = await startWorker(sheaf.context, 4);
try {
  await harvest(sheaf); // the first one inserts, and warms everything up
  await measureViewers(sheaf);
  await measurePage(sheaf);
} finally {
  await worker.stop();
  await sheaf.stop();
}

interface Harvested {
  /** From its plan to its end, in milliseconds. */
  readonly tookMs: number;
  /** What this process and PostgreSQL have worked for it: unlike the time, it does not depend on what else runs here. */
  readonly workMs: number;
}

async function measureViewers(served: ServedSheaf): Promise<void> {
  const alone: Harvested[] = [];
  const watched: Harvested[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    const isWatchedFirst = pair % 2 === 1; // neither way shall profit from coming second
    for (const isWatched of [isWatchedFirst, !isWatchedFirst])
      (isWatched ? watched : alone).push(await harvest(served, isWatched));
    console.log(`pair ${pair + 1}: alone ${shown(alone.at(-1))}; watched ${shown(watched.at(-1))}`);
  }
  const ratio = (name: keyof Harvested) => median(alone.map((each, pair) => (watched[pair]?.[name] ?? 0) / each[name]));
  const more = (value: number) => `${((value - 1) * 100).toFixed(1)} %`;
  console.log(
    `${VIEWERS} viewers, medians of ${PAIRS} pairs: ${more(ratio('tookMs'))} more time, ${more(ratio('workMs'))} more work`,
  );
}

function shown(harvested: Harvested | undefined): string {
  return `${Math.round(harvested?.tookMs ?? 0)} ms, work ${Math.round(harvested?.workMs ?? 0)} ms`;
}

async function harvest({ context, request, url }: ServedSheaf, isWatched = false): Promise<Harvested> {
  const viewers = isWatched ? await startViewers() : null; // before the clock runs: it is not the pages that it costs
  const workBefore = await worked(context.database);
  const run = await launchRun(context, request('oda/Stemme', { formats: [] }));
  viewers?.stdin?.end(`${url}/runs/${run}/events`);
  await watchRuns(context, [run], { signal: AbortSignal.timeout(600_000), onProgress: () => undefined });
  viewers?.kill();
  const workMs = (await worked(context.database)) - workBefore;
  const { state, sealedAt, finishedAt } = await getRun(context.database, run);
  if (sealedAt === null || finishedAt === null) throw new Error(`the run is ${state}`);
  return { tookMs: finishedAt.getTime() - sealedAt.getTime(), workMs };
}

/** Viewers in a process of their own: what they cost their own machine is not the harvest's. */
async function startViewers(): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('./viewers.ts', import.meta.url));
  const child = spawn(process.execPath, [program, String(VIEWERS)], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data'); // it is ready to be told what to look at
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
