// Measures Sheaf beside the script one writes by hand and the recipe that it replaces: docs/performance.md. `npm run bench`.
import { rmSync } from 'node:fs';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onExit } from '../test/faults/on-exit.ts';
import { type Harvested, runRound } from './harvests.ts';
import { PIPELINE_HEAD, type Pipeline, readPipeline, renderPipeline } from './latency.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Order, readOrder, USAGE, WrongOrder } from './order.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { hasProc } from './processes.ts';
import { findPrograms, type Program } from './programs.ts';
import { markdown, renderComparison, renderGrowth, renderLine } from './report.ts';
import { startUpstream } from './upstream-process.ts';

/** What Sheaf does when it is told nothing: SHEAF_CONCURRENCY. */
const SHEAF_CONCURRENCY = 8;

interface Results {
  readonly order: Order;
  readonly machine: Machine;
  readonly harvested: Harvested[];
  /** Of the case latency only, one a harvest. */
  readonly pipelines: Pipeline[];
}

const say = (text: string) => void process.stderr.write(`${text}\n`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1)); // what was started, ends
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const order = readOrder(process.argv.slice(2));
    if (order === null) {
      console.log(USAGE);
      return 0;
    }
    if (!hasProc) throw new WrongOrder('The bench reads /proc, and so it runs on Linux only.');
    const results = await measure(order);
    console.log(render(results));
    if (order.json !== null) await writeFile(order.json, `${JSON.stringify(results, null, 2)}\n`);
    return 0;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    if (error instanceof WrongOrder) say(USAGE);
    return error instanceof WrongOrder ? 2 : 1;
  }
}

async function measure(order: Order): Promise<Results> {
  const programs = findPrograms(order.programs, order.scripts, say);
  const folder = await mkdtemp(join(tmpdir(), 'sheaf-bench-'));
  onExit(() => rmSync(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755); // as root, PostgreSQL runs as another user, who must reach it
  const postgres = await startPostgres(join(folder, 'home'));
  try {
    const results = { order, machine: describeMachine(postgres.version), harvested: [], pipelines: [] };
    for (const rows of order.rows) await measureSize(results, { postgres, programs, rows, folder });
    return results;
  } finally {
    await postgres.stop();
  }
}

interface Stage {
  readonly postgres: Postgres;
  readonly programs: readonly Program[];
  readonly rows: number;
  readonly folder: string;
}

/** Every program in every round, beginning with another one each time: what slows the machine down hits all alike. */
async function measureSize({ order, harvested, pipelines }: Results, stage: Stage): Promise<void> {
  const { postgres, programs, rows, folder } = stage;
  for (let round = 1; round <= order.rounds; round++) {
    const from = (round - 1) % Math.max(1, programs.length);
    for (const program of [...programs.slice(from), ...programs.slice(0, from)]) {
      const requestLog = join(folder, `requests-${rows}-${round}-${program.name}`);
      const isLogged = order.case === 'latency';
      const upstream = await startUpstream({ rows, latencyMs: order.latencyMs, ...(isLogged ? { requestLog } : {}) });
      try {
        const scene = { postgres, upstream, rows, folder, concurrency: order.concurrency, phases: order.phases };
        for (const each of await runRound(program, scene, round)) {
          harvested.push(each);
          say(renderLine(each));
        }
      } finally {
        await upstream.stop();
      }
      const limits = { concurrency: order.concurrency ?? SHEAF_CONCURRENCY, latencyMs: order.latencyMs };
      if (isLogged) pipelines.push(readPipeline(requestLog, limits));
    }
  }
}

function render({ order, machine, harvested, pipelines }: Results): string {
  const tables = order.case === 'growth' ? renderGrowth(harvested) : renderComparison(harvested);
  const lines = pipelines.map((pipeline, index) => [harvested[index]?.program ?? '', ...renderPipeline(pipeline)]);
  const pipeline = order.case === 'latency' ? [markdown(['latency', ...PIPELINE_HEAD], lines)] : [];
  return [machine.description, tables, ...pipeline].join('\n\n');
}
