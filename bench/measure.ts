import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { RedisServer } from '../test/faults/redis-server.ts';
import type { Postgres } from './postgres.ts';
import { endedChildrenMs, memoryBytes, processorMs } from './processes.ts';
import type { Command } from './programs.ts';
import type { Upstream } from './upstream-process.ts';

/** Whose work and memory are told apart; what a program starts counts as it. */
export type Part = 'program' | 'postgres' | 'redis' | 'upstream';
export type ByPart = Readonly<Record<Part, number>>;

export interface Cost {
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  /** Of the whole command, from its start to its end. */
  readonly wallMs: number;
  readonly cpuMs: ByPart;
  readonly peakBytes: ByPart;
  readonly walBytes: number;
}

export interface Servers {
  readonly postgres: Postgres;
  /** Null for a program that uses none. */
  readonly redis: RedisServer | null;
  readonly upstream: Upstream;
}

/** So seldom that looking costs about a hundredth of a core. */
const LOOK_EVERY_MS = 250;

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
  const peak = { program: 0, postgres: 0, redis: 0, upstream: 0 };
  const startedAt = Date.now();
  const stdout = await runCommand(command, signal, (pid) => {
    const look = setInterval(
      () => raise(peak, { program: memoryBytes(pid), ...serversMemory(servers) }),
      LOOK_EVERY_MS,
    );
    return () => clearInterval(look);
  });
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
    peakBytes: peak,
    walBytes: (await servers.postgres.walBytes()) - walBefore,
  };
}

/** Answers what the command printed. `watch` is told its process id, and answers what is to be done when it has ended. */
export async function runCommand(
  command: Command,
  signal: AbortSignal,
  watch: (pid: number) => () => void = () => () => undefined,
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
  const ended = watch(child.pid ?? 0);
  try {
    const [code, killedBy] = await once(child, 'close');
    if (code !== 0)
      throw new Error(`${command.file} ended with ${killedBy ?? `exit code ${code}`}:\n${output.stderr.slice(-2_000)}`);
  } finally {
    ended();
  }
  return output.stdout;
}

function serversCpu({ postgres, redis, upstream }: Servers): Omit<ByPart, 'program'> {
  return {
    postgres: processorMs(postgres.pid),
    redis: redis === null ? 0 : processorMs(redis.pid),
    upstream: processorMs(upstream.pid),
  };
}

function serversMemory({ postgres, redis, upstream }: Servers): Omit<ByPart, 'program'> {
  return {
    postgres: memoryBytes(postgres.pid),
    redis: redis === null ? 0 : memoryBytes(redis.pid),
    upstream: memoryBytes(upstream.pid),
  };
}

function raise(peak: Record<Part, number>, now: ByPart): void {
  for (const part of Object.keys(peak) as Part[]) peak[part] = Math.max(peak[part], now[part]);
}
