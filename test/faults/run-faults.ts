// The fault suite: harvests with real processes while they are killed, frozen and cut off. `--help` tells the options.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { hasFailed, neverStruck, renderResult, renderSummary, summarise } from './result-table.ts';
import { type RunResult, runScenario } from './run-scenario.ts';
import { createScenario, type Engine, type Scenario, type StrikeKind, strikeKinds } from './scenario.ts';
import { type SuiteLane, startSuiteLane } from './suite-lane.ts';

const USAGE = `usage: npm run test:faults -- [options]
  --runs N           scenarios of seeds 1 to N (default 500), alternating engines
  --seeds A..B       scenarios of these seeds
  --seed S           one scenario, with its whole timeline
  --engine NAME      postgres, redis or both (default both: even seeds on PostgreSQL, odd ones on Redis)
  --faults A,B       only these kinds: ${strikeKinds.join(', ')}
  --lanes K          scenarios side by side, each lane with its own servers (default: twice the number of cores)
  --bail             stop at the first failure
  --json FILE        write the results there, too`;

interface Order {
  readonly scenarios: Scenario[];
  readonly lanes: number;
  readonly isVerbose: boolean;
  readonly bail: boolean;
  readonly json: string | undefined;
  /** What a command that replays a seed needs besides the seed. */
  readonly replay: string;
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

function readOrder(): Order {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      runs: text,
      seeds: text,
      seed: text,
      engine: text,
      faults: text,
      lanes: text,
      json: text,
      bail: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(USAGE);
    process.exit(0);
  }
  const engine = readEngine(values.engine ?? 'both');
  const kinds = values.faults?.split(',').map(readKind);
  const seeds = readSeeds(values);
  const scenarios = seeds.map((seed) => createScenario(seed, { engine, kinds }));
  const replay = [values.engine && `--engine ${values.engine}`, values.faults && `--faults ${values.faults}`];
  return {
    scenarios,
    lanes: Math.min(scenarios.length, readNumber(values.lanes ?? String(2 * availableParallelism()))),
    isVerbose: values.seed !== undefined,
    bail: values.bail,
    json: values.json,
    replay: replay.filter(Boolean).join(' '),
  };
}

function readSeeds(values: { runs?: string; seeds?: string; seed?: string }): number[] {
  if (values.seed !== undefined) return [readNumber(values.seed)];
  const [from, to] = values.seeds?.split('..') ?? ['1', values.runs ?? '500'];
  const first = readNumber(from ?? '');
  return Array.from({ length: readNumber(to ?? '') - first + 1 }, (_unused, position) => first + position);
}

function readNumber(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : fail(`a whole number was expected, not "${text}"`);
}

function readEngine(text: string): Engine | undefined {
  if (text === 'both') return undefined;
  return text === 'postgres' || text === 'redis' ? text : fail(`there is no engine "${text}"`);
}

function readKind(text: string): StrikeKind {
  return strikeKinds.find((kind) => kind === text) ?? fail(`there is no fault "${text}"`);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n${USAGE}\n`);
  process.exit(2);
}

async function main(): Promise<void> {
  const order = readOrder();
  const left = [...order.scenarios];
  const results: RunResult[] = [];
  const lanes: SuiteLane[] = [];
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1);
    isStopping = true;
    print(`${signal}: ending after the scenarios under way; once more ends at once.`);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const work = async (number: number): Promise<void> => {
    const lane = await startSuiteLane(number, { redis: order.scenarios.some(({ engine }) => engine === 'redis') });
    lanes.push(lane);
    if (number === 1 && lane.disk.kind === 'limit') {
      print('No file system can be mounted here: a full disk is imitated by a limit on the size of files (prlimit).');
    }
    for (let scenario = left.shift(); scenario !== undefined && !isStopping; scenario = left.shift()) {
      const result = await runScenario(lane, scenario, order.isVerbose ? { onSay: print } : {});
      results.push(result);
      tell(result, order);
      if (order.bail && hasFailed(result)) isStopping = true;
    }
  };
  try {
    await Promise.all(Array.from({ length: order.lanes }, (_unused, position) => work(position + 1)));
  } finally {
    await Promise.all(lanes.map((lane) => lane.stop()));
  }
  conclude(results, order);
}

function tell(result: RunResult, { isVerbose, replay }: Order): void {
  print(renderResult(result));
  if (!hasFailed(result)) return;
  for (const problem of result.problems) print(`  ! ${problem}`);
  if (!isVerbose) for (const line of result.timeline) print(`  ${line}`);
  if (result.dump !== null) print(`  ${result.dump.replaceAll('\n', '\n  ')}`);
  print(`  replay: npm run test:faults -- --seed ${result.scenario.seed} ${replay}`.trimEnd());
}

function conclude(results: readonly RunResult[], { json, replay }: Order): void {
  const summary = summarise(results);
  print(`\n${renderSummary(summary)}`);
  const failed = results.filter(hasFailed).toSorted((a, b) => a.scenario.seed - b.scenario.seed);
  for (const { scenario, problems } of failed) {
    print(`seed ${scenario.seed} failed: ${problems[0]}`);
    print(`  npm run test:faults -- --seed ${scenario.seed} ${replay}`.trimEnd());
  }
  if (json !== undefined) writeFileSync(json, JSON.stringify({ summary, results }, null, 1));
  const missed = neverStruck(summary);
  if (missed.length > 0) print(`Struck nobody in many runs, and so proved nothing: ${missed.join(', ')}`);
  process.exitCode = failed.length + missed.length > 0 ? 1 : 0;
}

await main();
