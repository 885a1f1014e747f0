import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onExit } from './on-exit.ts';

const BIN = fileURLToPath(new URL('../../bin/sheaf', import.meta.url));

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A `sheaf` command as a process of its own, with all that it said. */
export interface SheafProcess {
  readonly name: string;
  readonly pid: number;
  readonly startedAt: number;
  /** What came on stderr, line by line. */
  readonly lines: readonly string[];
  readonly stdout: () => string;
  /** Undefined while it runs. */
  readonly ending: () => Ending | undefined;
  readonly ended: Promise<Ending>;
  /** Signals that were sent to it. */
  readonly signals: readonly NodeJS.Signals[];
  send(signal: NodeJS.Signals): void;
}

export interface ProcessOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** All that have not ended, so that the suite's own end takes them along. */
const living = new Set<ChildProcess>();
onExit(() => {
  for (const child of living) child.kill('SIGKILL');
});

export function startSheaf({ name, args, directory, environment }: ProcessOptions): SheafProcess {
  const child = spawn(BIN, args, {
    cwd: directory,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  living.add(child);
  const lines: string[] = [];
  const signals: NodeJS.Signals[] = [];
  let stdout = '';
  let ending: Ending | undefined;
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => {
    living.delete(child);
    ending = { code, signal } as Ending;
    return ending;
  });
  return {
    name,
    pid: child.pid ?? -1,
    startedAt: Date.now(),
    lines,
    stdout: () => stdout,
    ending: () => ending,
    ended,
    signals,
    send: (signal) => {
      signals.push(signal);
      child.kill(signal);
    },
  };
}

/** A line of Sheaf's log, of which `msg` names the event. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

export function logOf({ lines }: SheafProcess): LogLine[] {
  return lines.flatMap((line) => {
    if (!line.startsWith('{')) return [];
    try {
      return [JSON.parse(line) as LogLine];
    } catch {
      return []; // cut short by a kill
    }
  });
}

/** What it said for people; a process that ends by itself must say why. */
export function spokenBy({ lines }: SheafProcess): string[] {
  return lines.filter((line) => !line.startsWith('{') && line.trim() !== '');
}
