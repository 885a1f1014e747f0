import type { StrikeKind } from './scenario.ts';

export interface Replacement {
  readonly file: string;
  /** Must stand in the file exactly once. */
  readonly text: string;
  readonly by: string;
}

/** A bug that the suite must notice. A window that is too narrow to be hit in a few runs is widened by the planting. */
export interface PlantedBug {
  readonly name: string;
  readonly replacements: readonly Replacement[];
  /** What provokes it. */
  readonly faults: readonly StrikeKind[];
  readonly runs: number;
}

const PAUSE = (ms: number) => `await new Promise((resolve) => setTimeout(resolve, ${ms}));`;
/** So that it is not the pause itself that keeps a worker from ending in time. */
const PAUSE_UNLESS_STOPPED = (ms: number) =>
  `await new Promise((resolve) => { setTimeout(resolve, ${ms}); walk.stop.addEventListener('abort', resolve); });`;

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'the fence removed: a page is taken from any claim of its slice',
    faults: ['cut-store'],
    runs: 12,
    replacements: [
      {
        file: 'migrations/0021_pages_together.sql',
        text: `and number = slice and attempt = fence and state = 'working'`,
        by: `and number = slice and fence > 0 and state = 'working'`,
      },
      {
        file: 'src/workers/run-slice.ts',
        text: '  const fetched = await page.fetching;\n',
        // The first to claim the slice is late with its first page, whoever comes after it with the second: the rows of the
        // first are in by then, and the slice is still being worked.
        by: `  const fetched = await page.fetching;\n  if (walk.claim.slice % 8 === 0 && pages === Math.min(2, walk.claim.attempt)) ${PAUSE_UNLESS_STOPPED(15_000)}\n`,
      },
      {
        // A worker whose connections were cut counts as dead for longer.
        file: 'src/runtime/join-fleet.ts',
        text: 'const BEAT_MS = 5_000;',
        by: 'const BEAT_MS = 20_000;',
      },
    ],
  },
  {
    name: 'the seal removed: a run may be finalised before its slices are written',
    faults: ['kill-worker', 'stop-worker'],
    runs: 8,
    replacements: [
      {
        file: 'src/producer/plan-run.ts',
        text: '    await insertSlices(database, run.id, plan.slices);\n',
        by: `    await sealRun(database, run.id);\n    ${PAUSE(6_000)}\n    await insertSlices(database, run.id, plan.slices);\n`,
      },
    ],
  },
  {
    name: 'open slices ignored: a run is finalised when the first slice settles',
    faults: ['kill-worker', 'duplicate-jobs'],
    runs: 8,
    replacements: [
      {
        file: 'src/db/queries/runs.ts',
        text: `       and not exists (select from sheaf.slices s where s.run_id = r.id and s.state in ('pending', 'working'))\n`,
        by: '',
      },
    ],
  },
  {
    name: 'the cursor saved before the rows, in a transaction of its own',
    faults: ['kill-worker'],
    runs: 24,
    replacements: [
      {
        file: 'src/db/queries/staging.ts',
        text: "  const statements = ['set local synchronous_commit = off', advance(claim, pages), ",
        by: `  await client.query(advance(claim, pages));\n  ${PAUSE(60)}\n  const statements = [`,
      },
    ],
  },
  {
    name: 'finalised without compare-and-set: every finalise job that comes is carried through',
    faults: ['duplicate-jobs'],
    runs: 24,
    replacements: [
      {
        file: 'src/db/queries/runs.ts',
        text: `     set attempt = attempt + 1, finaliser = $3\n`,
        by: `     set finaliser = $3\n`,
      },
      {
        file: 'src/db/queries/runs.ts',
        text: `     where id = $1 and generation = $2 and state = 'finalising'
       and (finaliser is null or not sheaf.worker_is_alive(finaliser))
     returning attempt`,
        by: `     where id = $1 and generation = $2 and state = 'finalising'
     returning attempt`,
      },
      {
        file: 'src/db/queries/runs.ts',
        text: `       where id = $1 and attempt = $2 and state = 'finalising'\`,
      [claim.run, claim.attempt, end.state`,
        by: `       where id = $1 and attempt = $2\`,
      [claim.run, claim.attempt, end.state`,
      },
      {
        file: 'src/workers/finalise-run.ts',
        text: `  await timed(context, { run, step: 'publish' }`,
        by: `  ${PAUSE(1_000)}\n  await timed(context, { run, step: 'publish' }`,
      },
    ],
  },
];
