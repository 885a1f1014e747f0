// Measures Sheaf beside the script one writes by hand and the recipe that it replaces: docs/performance.md. `npm run bench`.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Costed, measureCosts, renderCost, renderCosts } from './costs.ts';
import { renderGrowth } from './growth.ts';
import { type Harvested, runRound } from './harvests.ts';
import { PIPELINE_HEAD, type Pipeline, readPipeline, renderPipeline } from './latency.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type Order, readOrder, USAGE, WrongOrder } from './order.ts';
import { type Postgres, startPostgres } from './postgres.ts';
import { hasProc } from './processes.ts';
import { findPrograms, type Program } from './programs.ts';
import { markdown, renderComparison, renderLine } from './report.ts';
import { measureStarts, renderStart, renderStarts, type Started } from './start.ts';
import { startUpstream } from './upstream-process.ts';

/** What Sheaf does when it is told nothing: SHEAF_CONCURRENCY. */
const SHEAF_CONCURRENCY = 8;

interface Results {
  readonly order: Order;
  readonly machine: Machine;
  readonly harvested: Harvested[];
  /** Of the case latency only, one a harvest. */
  readonly pipelines: Pipeline[];
  /** Of the case start only. */
  readonly started: Started[];
  /** Of the case costs only. */
  readonly costed: Costed[];
}

const say = (text: string) => void process.stderr.write(`${text}\n`);

// What was started is ended in order, and the folder goes.
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
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
  if (programs.length === 0 && order.case !== 'costs') throw new Error('There is nothing to measure.');
  const folder = await mkdtemp(join(tmpdir(), 'sheaf-bench-'));
  try {
    await chmod(folder, 0o755); // as root, PostgreSQL runs as another user, who must reach it
    await using postgres = await startPostgres(join(folder, 'home'));
    const results = {
      order,
      machine: describeMachine(postgres.version),
      harvested: [],
      pipelines: [],
      started: [],
      costed: [],
    };
    if (order.case === 'start')
      return { ...results, started: await measureStart(order, { postgres, programs, folder }) };
    if (order.case === 'costs') return { ...results, costed: await measureCost(order, postgres) };
    for (const rows of order.rows) await measureSize(results, { postgres, programs, rows, folder });
    return results;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Stage {
  readonly postgres: Postgres;
  readonly programs: readonly Program[];
  readonly rows: number;
  readonly folder: string;
}

async function measureStart({ rows, rounds }: Order, stage: Omit<Stage, 'rows'>): Promise<Started[]> {
  const scene = { ...stage, rows: rows[0] ?? 0, rounds, signal: stopping.signal };
  return measureStarts(scene, (each) => say(renderStart(each)));
}

async function measureCost({ rows: sizes, rounds, phases }: Order, postgres: Postgres): Promise<Costed[]> {
  const found: Costed[] = [];
  for (const rows of sizes) {
    const scene = { postgres, rows, rounds, phases, signal: stopping.signal };
    found.push(...(await measureCosts(scene, (each) => say(renderCost(each)))));
  }
  return found;
}

/** Every program in every round, beginning with another one each time: what slows the machine down hits all alike. */
async function measureSize({ order, harvested, pipelines }: Results, stage: Stage): Promise<void> {
  const { postgres, programs, rows, folder } = stage;
  const { rounds, concurrency, phases, latencyMs } = order;
  const requestLog = order.case === 'latency' ? join(folder, `requests-${rows}`) : null;
  await using upstream = await startUpstream({ rows, latencyMs, requestLog });
  const scene = { postgres, upstream, rows, folder, concurrency, phases, signal: stopping.signal };
  const limits = { concurrency: concurrency ?? SHEAF_CONCURRENCY, latencyMs };
  for (let round = 1; round <= rounds; round++) {
    for (const program of rotate(programs, round - 1)) {
      for await (const each of runRound(program, scene, round)) {
        harvested.push(each);
        if (requestLog !== null) pipelines.push(readPipeline(requestLog, each, limits));
        say(renderLine(each));
      }
    }
  }
}

function rotate<T>(values: readonly T[], by: number): T[] {
  const from = by % Math.max(1, values.length);
  return [...values.slice(from), ...values.slice(0, from)];
}

function render({ order, machine, harvested, pipelines, started, costed }: Results): string {
  if (order.case === 'costs') return [machine.description, renderCosts(costed)].join('\n\n');
  if (order.case === 'start') return [machine.description, renderStarts(started)].join('\n\n');
  const tables = order.case === 'growth' ? renderGrowth(harvested) : renderComparison(harvested);
  const lines = pipelines.map((pipeline, index) => [harvested[index]?.program ?? '', ...renderPipeline(pipeline)]);
  const pipeline = order.case === 'latency' ? [markdown(['latency', ...PIPELINE_HEAD], lines)] : [];
  return [machine.description, tables, ...pipeline].join('\n\n');
}
