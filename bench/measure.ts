import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type ByPart, type Peaks, type Servers, watchMemory } from './peaks.ts';
import { endedChildrenMs, processorMs } from './processes.ts';
import type { Command } from './programs.ts';

export interface Cost extends Peaks {
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  /** Of the whole command, from its start to its end. */
  readonly wallMs: number;
  readonly cpuMs: ByPart;
  readonly walBytes: number;
}

/** Runs a command and measures what it costs. Throws when it ends with anything but 0, or is stopped by the signal. */
export async function measureCommand(
  command: Command,
  servers: Servers,
  signal: AbortSignal,
): Promise<Cost & { stdout: string }> {
  await servers.postgres.settle();
  const walBefore = await servers.postgres.walBytes();
  const cpuBefore = serversCpu(servers);
  const endedBefore = endedChildrenMs();
  const memory = watchMemory(servers);
  const startedAt = Date.now();
  const stdout = await runCommand(command, signal, memory.start).finally(memory.stop);
  const wallMs = Date.now() - startedAt;
  const cpuAfter = serversCpu(servers);
  return {
    stdout,
    startedAt,
    wallMs,
    cpuMs: {
      program: endedChildrenMs() - endedBefore,
      postgres: cpuAfter.postgres - cpuBefore.postgres,
      redis: cpuAfter.redis - cpuBefore.redis,
      upstream: cpuAfter.upstream - cpuBefore.upstream,
    },
    ...memory.peaks(),
    walBytes: (await servers.postgres.walBytes()) - walBefore,
  };
}

/** Answers what the command printed. `onStart` is told its process id. */
export async function runCommand(
  command: Command,
  signal: AbortSignal,
  onStart: (pid: number) => void = () => undefined,
): Promise<string> {
  const child = spawn(command.file, command.args, {
    cwd: command.directory,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...command.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  onStart(child.pid ?? 0);
  const [code, killedBy] = await once(child, 'close');
  if (code !== 0)
    throw new Error(`${command.file} ended with ${killedBy ?? `exit code ${code}`}:\n${output.stderr.slice(-2_000)}`);
  return output.stdout;
}

function serversCpu({ postgres, redis, upstream }: Servers): Omit<ByPart, 'program'> {
  return {
    postgres: processorMs(postgres.pid),
    redis: redis === null ? 0 : processorMs(redis.pid),
    upstream: processorMs(upstream.pid),
  };
}
