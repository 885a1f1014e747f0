import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inlineData } from '../../src/twin/twin-data.ts';
import { armStrikes } from './arm-strikes.ts';
import { type Bench, clockFile, environmentOf } from './bench.ts';
import { checkIncomplete } from './check-incomplete.ts';
import { checkComplete, checkConnections, checkTidiness } from './checks.ts';
import { dump } from './dump.ts';
import { startFleet } from './fleet.ts';
import { openLedger } from './ledger.ts';
import { ended, harvestArguments, type Operation, plan, runCommand } from './operate.ts';
import { Problem } from './problem.ts';
import type { Scenario, StrikeKind } from './scenario.ts';
import { ENTITY, rowText, sourceRows } from './source-rows.ts';
import { type SuiteLane, withDatabase } from './suite-lane.ts';

export interface RunResult {
  readonly scenario: Scenario;
  readonly durationMs: number;
  /** Strikes that hit something. */
  readonly carriedOut: readonly StrikeKind[];
  /** How often somebody had to help: retries, and new harvests. */
  readonly helps: number;
  /** Empty when all is well. */
  readonly problems: readonly string[];
  readonly timeline: readonly string[];
  /** Null when all is well. */
  readonly dump: string | null;
}

export interface RunOptions {
  readonly onSay?: (line: string) => void;
}

/** Carries one scenario out in a lane, checks everything, and leaves the lane as it was. */
export async function runScenario(lane: SuiteLane, scenario: Scenario, options: RunOptions = {}): Promise<RunResult> {
  const startedAt = Date.now();
  const timeline: string[] = [];
  const say = createTimeline(timeline, options.onSay);
  lane.onProxyEvent(say);
  const database = await lane.createDatabase();
  const bench = await makeBench(lane, scenario, { database, say });
  const armed = armStrikes(bench);
  const operation = { bench, armed, environment: environmentOf(lane, { database, scenario }) };
  const problems: string[] = [];
  let helps = 0;
  let report: string | null = null;
  try {
    const outcome = await carryThrough(operation);
    problems.push(...outcome.problems);
    helps = outcome.helps;
  } catch (error) {
    problems.push(error instanceof Problem ? error.message : `the suite failed: ${(error as Error).stack}`);
  }
  if (problems.length > 0) report = await dump(bench);
  await armed.disarm();
  problems.push(...(await bench.fleet.stop()));
  for (const command of bench.commands) if (command.ending() === undefined) command.send('SIGKILL');
  problems.push(...(await untilNone(() => checkConnections(bench), 8_000)));
  if (problems.length > 0) report ??= await dump(bench);
  await leaveClean(bench, database);
  const durationMs = Date.now() - startedAt;
  return { scenario, durationMs, carriedOut: armed.carriedOut, helps, problems, timeline, dump: report };
}

/** Writes down what happens and when. What is said many times in a row, such as a refused connection, is said once. */
function createTimeline(timeline: string[], onSay: RunOptions['onSay']): (text: string) => void {
  const startedAt = Date.now();
  let last = '';
  let times = 1;
  const write = (text: string) => {
    const line = `${((Date.now() - startedAt) / 1000).toFixed(2).padStart(6)} s  ${text}`;
    timeline.push(line);
    onSay?.(line);
  };
  return (text) => {
    if (text === last) {
      times += 1;
      return;
    }
    if (times > 1) write(`(that ${times} times)`);
    write(text);
    last = text;
    times = 1;
  };
}

async function makeBench(
  lane: SuiteLane,
  scenario: Scenario,
  { database, say }: { readonly database: string; readonly say: (text: string) => void },
): Promise<Bench> {
  const rows = sourceRows(scenario);
  lane.twin.replaceWith(inlineData({ [ENTITY]: rows.map(rowText) }));
  lane.twin.clearRequests();
  lane.twin.setBehaviour({ cap: scenario.cap, latencyMs: scenario.latencyMs, faults: [], seed: scenario.seed });
  const environment = environmentOf(lane, { database, scenario });
  const { workers, concurrency } = scenario;
  const fleet = startFleet({
    workers,
    concurrency,
    directory: lane.folder,
    environment: (worker) => ({ ...environment, SHEAF_TEST_CLOCK_FILE: clockFile(lane, worker) }),
    say,
  });
  const databaseUrl = withDatabase(lane.postgres.url, database);
  const ledger = await openLedger(databaseUrl);
  const happened = { postgresCrashes: 0, lastStrikeAt: Date.now() };
  return { lane, scenario, rows, databaseUrl, out: lane.disk.folder, ledger, fleet, commands: [], happened, say };
}

interface Outcome {
  readonly problems: readonly string[];
  readonly helps: number;
}

const MOST_HELPS = 4;

/** Plans, waits for the end, helps a run that may need help as an operator would, and checks what is there then. */
async function carryThrough(operation: Operation): Promise<Outcome> {
  const { bench, armed } = operation;
  let run = await plan(operation);
  bench.say(`run ${run} is planned`);
  let { state, reason } = await ended(operation, run);
  bench.say(`run ${run} ended ${state}${reason === null ? '' : `: ${reason}`}`);
  const problems: string[] = [];
  await armed.disarm();
  let helps = 0;
  while (state !== 'complete') {
    problems.push(...(await checkIncomplete(bench, run, armed)));
    if (problems.length > 0 || helps === MOST_HELPS) break;
    helps += 1;
    run = await help(operation, { run, helps });
    ({ state, reason } = await ended(operation, run));
    bench.say(`run ${run} ended ${state}${reason === null ? '' : `: ${reason}`}`);
  }
  if (problems.length > 0) return { problems, helps };
  if (state !== 'complete') return { problems: [`the run is ${state} after ${helps} helps: ${reason}`], helps };
  problems.push(...(await checkComplete(bench, run)));
  problems.push(...(await untilNone(() => ageAndLook(bench, run), 20_000)));
  return { problems, helps };
}

/** First `sheaf retry`; where the source's answers themselves were wrong, only a new harvest gets the right ones. */
async function help(operation: Operation, { run, helps }: { run: string; helps: number }): Promise<string> {
  const troubles = operation.bench.scenario.strikes.filter(({ kind }) => kind === 'twin-faults');
  const hasLied = troubles.some(({ trouble }) => trouble === 'missing-rows' || trouble === 'duplicated-rows');
  if (helps < 2 || !hasLied) {
    await runCommand(operation, 'operator', ['retry', run, '--concurrency', '2']);
    return run;
  }
  const harvest = [...harvestArguments(operation.bench.scenario), '--json', '--concurrency', '2'];
  const { process } = await runCommand(operation, 'operator', harvest);
  return (JSON.parse(process.stdout()) as { run: string }).run;
}

/** Lets the time pass after which Sheaf clears up: ten minutes for a lost plan, a week for what failed runs staged. */
async function ageAndLook(bench: Bench, run: string): Promise<string[]> {
  const { ledger } = bench;
  await ledger.query(
    `update sheaf.runs set created_at = created_at - interval '11 minutes' where id <> $1 and state = 'planning'`,
    [run],
  );
  await ledger.query(
    `update sheaf.runs set finished_at = finished_at - interval '8 days' where id <> $1 and finished_at is not null`,
    [run],
  );
  return checkTidiness(bench, run);
}

async function untilNone(look: () => Promise<string[]>, ms: number): Promise<string[]> {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await look().catch((error: unknown) => [`could not look: ${String(error)}`]);
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(100);
  }
}

async function leaveClean({ lane, ledger, scenario, out }: Bench, database: string): Promise<void> {
  await ledger.close();
  await lane.dropDatabase(database);
  if (scenario.engine === 'redis') await lane.redis?.flush();
  for (const name of readdirSync(out)) rmSync(join(out, name), { recursive: true, force: true });
  for (let worker = 1; worker <= scenario.workers; worker++) rmSync(clockFile(lane, worker), { force: true });
}
