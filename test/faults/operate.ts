import { setTimeout as sleep } from 'node:timers/promises';
import type { Armed } from './arm-strikes.ts';
import type { Bench } from './bench.ts';
import type { LedgerRun } from './ledger.ts';
import { Hung, Problem } from './problem.ts';
import { LONG_CUT_MS, type Scenario } from './scenario.ts';
import { type Ending, type SheafProcess, spokenBy, startSheaf } from './sheaf-process.ts';
import { DATASET } from './source-rows.ts';

/** A bench with its strikes armed, and the environment that its commands get. */
export interface Operation {
  readonly bench: Bench;
  readonly armed: Armed;
  readonly environment: Readonly<Record<string, string>>;
}

/** How long after the last strike a run may still take. */
export function patienceMs({ strikes }: Scenario): number {
  return strikes.some(({ forMs }) => forMs >= LONG_CUT_MS) ? 150_000 : 90_000;
}

/** Waits for something, and throws Hung when it does not come within the patience after the last strike. */
export async function waitFor<T>(
  { bench, armed }: Pick<Operation, 'bench' | 'armed'>,
  what: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  let startedAt = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (armed.isUnderWay()) startedAt = Date.now();
    if (Date.now() - startedAt > patienceMs(bench.scenario)) throw new Hung(`hung: ${what} did not come`);
    await sleep(25);
  }
}

/** Runs one command to its end, as an operator would. */
export async function runCommand(
  operation: Operation,
  name: string,
  args: readonly string[],
): Promise<{ process: SheafProcess; ending: Ending }> {
  const { bench, environment } = operation;
  const number = bench.commands.length + 1;
  const process = startSheaf({ name: `${name}-${number}`, args, directory: bench.lane.folder, environment });
  bench.commands.push(process);
  const ending = await waitFor(operation, `the end of \`sheaf ${args.join(' ')}\``, async () => process.ending());
  const said = spokenBy(process).at(-1);
  bench.say(`${process.name} (sheaf ${args[0]}) ended with ${ending.signal ?? ending.code}${said ? `: ${said}` : ''}`);
  return { process, ending };
}

export function harvestArguments({ request }: Scenario): string[] {
  return [
    ...['harvest', DATASET, '--format', request.formats.join(','), '--on-failure', request.onFailure],
    ...(request.typeid === null ? [] : ['--filter', `typeid eq ${request.typeid}`]),
    ...(request.select === null ? [] : ['--select', request.select.join(',')]),
    ...(request.strategy === null ? [] : ['--strategy', request.strategy]),
  ];
}

/** Plans until there is a run. A planner that dies leaves one that goes on without it, or one that never was. */
export async function plan(operation: Operation): Promise<string> {
  const { bench, armed } = operation;
  const args = [...harvestArguments(bench.scenario), '--detach', '--json'];
  for (let tries = 1; ; tries++) {
    const { process, ending } = await runCommand(operation, 'planner', args);
    if (ending.code === 0) return (JSON.parse(process.stdout()) as { run: string }).run;
    if (!process.signals.includes('SIGKILL')) expectReason(process, armed);
    if (tries === 30) throw new Hung('hung: no plan in 30 tries');
    const runs = await waitFor(operation, 'a look at the ledger', async () => (await bench.ledger.runs()) ?? undefined);
    const orphan = runs.findLast(({ isSealed, state }) => isSealed && state !== 'failed');
    if (orphan !== undefined) return orphan.id;
    await sleep(300);
  }
}

function expectReason(process: SheafProcess, { begun }: Armed): void {
  const said = process.lines.slice(-3).join(' | ');
  if (begun.length === 0) throw new Problem(`${process.name} failed although nothing had struck: ${said}`);
  if (spokenBy(process).length === 0) throw new Problem(`${process.name} failed without a reason: ${said}`);
}

const ENDED: ReadonlySet<string> = new Set(['complete', 'partial', 'failed', 'cancelled']);

export function ended(operation: Operation, run: string): Promise<LedgerRun> {
  return waitFor(operation, `the end of run ${run}`, async () => {
    const runs = await operation.bench.ledger.runs();
    return runs?.find(({ id, state }) => id === run && ENDED.has(state));
  });
}
