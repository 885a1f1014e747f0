// Plants bugs into a copy of the repository and lets the fault suite look for them: npm run test:planted [-- --only WORD]
// A bug that it does not find means that its checks look in the wrong place. Exits 1 then.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { onExit } from './on-exit.ts';
import { type PlantedBug, plantedBugs, type Replacement } from './planted-bugs.ts';
import type { Summary } from './result-table.ts';
import type { RunResult } from './run-scenario.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['bin', 'migrations', 'package.json', 'src', 'test/faults', 'test/support/free-port.ts'];

interface Verdict {
  readonly bug: PlantedBug;
  readonly runs: number;
  /** What the suite said; null when it said nothing. */
  readonly caughtBy: string | null;
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, lanes: { type: 'string', default: '4' } } });
  const bugs = plantedBugs.filter(({ name }) => name.includes(values.only ?? ''));
  const verdicts: Verdict[] = [];
  for (const bug of bugs) {
    const verdict = await lookFor(bug, values.lanes);
    verdicts.push(verdict);
    print(`${verdict.caughtBy === null ? 'MISSED' : 'caught'}  ${bug.name}`);
    print(`        ${verdict.caughtBy ?? 'nothing was noticed'}; ${verdict.runs} runs`);
  }
  const missed = verdicts.filter(({ caughtBy }) => caughtBy === null);
  print(`\n${verdicts.length} bugs planted, ${verdicts.length - missed.length} caught.`);
  process.exitCode = missed.length > 0 || verdicts.length === 0 ? 1 : 0;
}

async function lookFor(bug: PlantedBug, lanes: string): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), 'sheaf-planted-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const done = onExit(remove);
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    for (const replacement of bug.replacements) plant(folder, replacement);
    return { bug, ...(await runSuite(folder, bug, lanes)) };
  } finally {
    remove();
    done();
  }
}

function plant(folder: string, { file, text, by }: Replacement): void {
  const path = join(folder, file);
  const parts = readFileSync(path, 'utf8').split(text);
  if (parts.length !== 2) {
    throw new Error(`${file} holds this ${parts.length - 1} times, and the planting needs it once:\n${text}`);
  }
  writeFileSync(path, parts.join(by));
}

async function runSuite(folder: string, bug: PlantedBug, lanes: string): Promise<Omit<Verdict, 'bug'>> {
  const json = join(folder, 'results.json');
  const options = ['--runs', String(bug.runs), '--faults', bug.faults.join(), '--lanes', lanes, '--bail'];
  const args = [join(folder, 'test/faults/run-faults.ts'), ...options, '--json', json];
  const suite = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  onExit(() => suite.kill('SIGTERM'));
  await once(suite, 'close');
  const { results } = JSON.parse(readFileSync(json, 'utf8')) as { summary: Summary; results: RunResult[] };
  const problems = results.flatMap((result) => result.problems);
  const own = problems.find((problem) => problem.startsWith('the suite failed'));
  if (own !== undefined) throw new Error(`planted "${bug.name}": ${own}`);
  return { runs: results.length, caughtBy: problems[0] ?? null };
}

await main();
