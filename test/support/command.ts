import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const BIN = fileURLToPath(new URL('../../bin/sheaf', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  /** Resolves when the process has ended and its output is complete. */
  readonly finished: Promise<Finished>;
  /** Resolves when stderr has held this. */
  says(pattern: RegExp): Promise<void>;
}

/** Starts a sheaf command as a process of its own; killed when the test has finished, should it still run. */
export function start(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  { cwd }: { readonly cwd?: string } = {},
): Running {
  const child = spawn(BIN, args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  });
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const finished = once(child, 'close').then(([code, signal]) => ({ code, signal, ...output }) as Finished);
  const says = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(output.stderr)) {
      if (child.exitCode !== null) throw new Error(`it ended without saying ${pattern}:\n${output.stderr}`);
      await Promise.race([once(child.stderr, 'data'), finished]);
    }
  };
  return { process: child, finished, says };
}

/** Runs a sheaf command to its end. */
export function sheaf(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return start(args, environment).finished;
}
