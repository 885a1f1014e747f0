import { type Database, openDatabase } from '../src/db/database.ts';
import { migrateDatabase } from '../src/db/migrate.ts';
import { ensureDataset } from '../src/db/queries/datasets.ts';
import { mergeStaged } from '../src/db/queries/merge.ts';
import { dropStaging } from '../src/db/queries/staging.ts';
import { checkCounts } from './check.ts';
import { median } from './median.ts';
import type { Postgres } from './postgres.ts';
import { processorMs } from './processes.ts';
import type { Phase } from './programs.ts';
import { makeEditions } from './records.ts';
import { groupBy, markdown, plain } from './report.ts';
import { DATASET, ENTITY, stageRun } from './staged-run.ts';
import { checkVariant, type Disk, expectedOf, leaveOut, readDisk, type Variant, variants } from './variants.ts';

/** What one merge cost in one variant of the database. */
export interface Costed {
  readonly variant: string;
  readonly phase: Phase;
  readonly rows: number;
  readonly round: number;
  readonly mergeMs: number;
  /** Processor time of PostgreSQL, all its processes together. */
  readonly cpuMs: number;
  readonly walBytes: number;
  /** After the merge. */
  readonly disk: Disk;
}

interface Scene {
  readonly postgres: Postgres;
  readonly rows: number;
  readonly rounds: number;
  readonly phases: readonly Phase[];
  readonly signal: AbortSignal;
}

/** Merges the same staged runs into each variant of the database, beginning with another one each round. */
export async function measureCosts(scene: Scene, onEach: (costed: Costed) => void): Promise<Costed[]> {
  await scene.postgres.leaveAlone();
  const found: Costed[] = [];
  for (let round = 1; round <= scene.rounds; round++) {
    for (const [index] of variants.entries()) {
      const variant = variants[(index + round - 1) % variants.length] as Variant;
      for await (const each of mergeInto(variant, scene)) {
        scene.signal.throwIfAborted();
        found.push({ ...each, round });
        onEach({ ...each, round });
      }
    }
  }
  return found;
}

async function* mergeInto(variant: Variant, scene: Scene): AsyncGenerator<Omit<Costed, 'round'>> {
  const { postgres, rows, phases } = scene;
  const url = await postgres.fresh('bench');
  const database = openDatabase({ url, session: 'bench', connections: 4 });
  try {
    await migrateDatabase(database, async () => undefined);
    await leaveOut(database, variant);
    await ensureDataset(database, {
      ...{ name: DATASET, source: 'oda', entity: ENTITY },
      expected: expectedOf(variant, rows),
    });
    for (const phase of phases) yield await mergeOnce(database, variant, { postgres, rows, phase });
  } finally {
    await database.close();
    await postgres.drop('bench');
  }
}

interface Merging {
  readonly postgres: Postgres;
  readonly rows: number;
  readonly phase: Phase;
}

async function mergeOnce(
  database: Database,
  variant: Variant,
  { postgres, rows, phase }: Merging,
): Promise<Omit<Costed, 'round'>> {
  const run = `bench-${phase}`;
  const data = makeEditions(rows)[phase === 'changed' ? 'edited' : 'first'];
  const claim = await stageRun(database, { run, rows, data });
  await postgres.settle();
  const before = { wal: await postgres.walBytes(), cpu: processorMs(postgres.pid), at: performance.now() };
  const merged = await mergeStaged(database, claim, {
    ...{ dataset: DATASET, entity: ENTITY, rows: { distinctKeys: rows, hasDuplicates: false } },
    ...{ writesContent: true, marksDeleted: true, missing: 0, ranges: null },
  });
  const mergeMs = performance.now() - before.at;
  const cpuMs = processorMs(postgres.pid) - before.cpu;
  const walBytes = (await postgres.walBytes()) - before.wal;
  if (merged === undefined) throw new Error('the merge was superseded');
  checkCounts(rows, { phase, counts: merged });
  await checkVariant(database, variant, { run, changed: merged.inserted + merged.updated });
  const disk = await readDisk(database);
  await dropStaging(database, run);
  // As autovacuum does a minute later: else the next run would pay for marking what this one has written.
  await database.pool.query('vacuum sheaf.records, sheaf.changes');
  return { variant: variant.name, phase, rows, mergeMs, cpuMs, walBytes, disk };
}

type Figure = (costed: Costed) => number;

const seconds: Figure = ({ mergeMs }) => mergeMs / 1_000;
const cpu: Figure = ({ cpuMs, rows }) => (cpuMs * 100) / rows;
const perRecord =
  (bytes: Figure): Figure =>
  (costed) =>
    bytes(costed) / costed.rows;

/** A table a phase: the median of the rounds, and of what each variant takes more in a round than the bare one does. */
export function renderCosts(costed: readonly Costed[]): string {
  return [...groupBy(costed, ({ rows, phase }) => `${plain(rows)} records, ${phase}`)]
    .map(([title, each]) => `## ${title}\n\n${renderPhase(each)}`)
    .join('\n\n');
}

const HEAD = ['merge s', 'CPU s per 100,000', 'WAL bytes a record', 'disk bytes a record', 'of it indexes', 'log'];

function renderPhase(costed: readonly Costed[]): string {
  const bare = costed.filter(({ variant }) => variant === variants[0]?.name);
  const lines = [...groupBy(costed, ({ variant }) => variant)].map(([variant, each]) => {
    const middle = (figure: Figure) => median(each.map(figure));
    const above = (figure: Figure) =>
      signed(median(each.map((one) => figure(one) - figure(bare.find(({ round }) => round === one.round) ?? one))));
    return [
      variant,
      `${middle(seconds).toFixed(2)} (${above(seconds)})`,
      `${middle(cpu).toFixed(2)} (${above(cpu)})`,
      plain(middle(perRecord(({ walBytes }) => walBytes))),
      plain(middle(perRecord(({ disk }) => disk.records + disk.indexes + disk.log))),
      plain(middle(perRecord(({ disk }) => disk.indexes))),
      plain(middle(perRecord(({ disk }) => disk.log))),
    ];
  });
  return markdown(['medians (above bare)', ...HEAD], lines);
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(2)}`;
}

export function renderCost(each: Costed): string {
  return `round ${each.round}: ${each.variant}, ${each.phase}: ${seconds(each).toFixed(2)} s, CPU ${cpu(each).toFixed(2)} s per 100,000`;
}
