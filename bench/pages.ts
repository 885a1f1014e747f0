// Measures what the pages cost: how long the page of a run with 5,000 slices takes, and by how much ten viewers slow a
// harvest down in the same process. `npm run bench:pages [pairs]`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ServedSheaf, serveSheaf } from '../scripts/served-sheaf.ts';
import { getRun } from '../src/db/queries/runs.ts';
import { readSliceMap } from '../src/db/queries/slice-map.ts';
import { hasEnded } from '../src/domain/run.ts';
import { launchRun, watchRuns } from '../src/runtime/harvest.ts';
import { startWorker } from '../src/runtime/worker.ts';
import { generateData } from '../src/twin/generated-data.ts';

const PAIRS = Number(process.argv[2] ?? 7);
const VIEWERS = 10;
const SLICES = 5_000;

const dataset = generateData({ seed: 1849, scale: 0.08, entities: ['Stemme'] });
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

async function measureViewers(served: ServedSheaf): Promise<void> {
  const alone: number[] = [];
  const watched: number[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    const isWatchedFirst = pair % 2 === 1; // neither way shall profit from coming second
    for (const isWatched of [isWatchedFirst, !isWatchedFirst]) {
      const tookMs = await harvest(served, isWatched);
      (isWatched ? watched : alone).push(tookMs);
    }
    console.log(
      `pair ${pair + 1}: ${Math.round(alone.at(-1) ?? 0)} ms alone, ${Math.round(watched.at(-1) ?? 0)} ms watched`,
    );
  }
  const ratios = alone.map((ms, pair) => (watched[pair] ?? 0) / ms);
  const slower = (value: number) => `${((value - 1) * 100).toFixed(1)} %`;
  console.log(`${VIEWERS} viewers, median of ${PAIRS} pairs: ${slower(median(ratios))} slower`);
  console.log(
    `  by the medians of the times: ${slower(median(watched) / median(alone))} (${Math.round(median(alone))} ms alone)`,
  );
}

/** How long a run fetches, from its plan to its last slice and its end, in milliseconds. */
async function harvest({ context, request, url }: ServedSheaf, isWatched = false): Promise<number> {
  const startedAt = performance.now();
  const run = await launchRun(context, request('oda/Stemme', { formats: [] }));
  const viewers = isWatched ? await startViewers(`${url}/runs/${run}/events`) : null;
  const waitedMs = performance.now() - startedAt;
  await watchRuns(context, [run], { signal: AbortSignal.timeout(300_000), onProgress: () => undefined });
  const { state, sealedAt, finishedAt } = await getRun(context.database, run);
  if (!hasEnded(state) || sealedAt === null || finishedAt === null)
    throw new Error(`the run is ${state} after ${waitedMs} ms`);
  viewers?.kill();
  return finishedAt.getTime() - sealedAt.getTime();
}

/** Viewers in a process of their own: what they cost their own machine is not the harvest's. */
async function startViewers(address: string): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('./viewers.ts', import.meta.url));
  const child = spawn(process.execPath, [program, address, String(VIEWERS)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data'); // all of them are there
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

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
