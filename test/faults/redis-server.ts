import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from '../support/free-port.ts';
import { onExit } from './on-exit.ts';

/** A Redis of the suite's own, which keeps nothing on disk. */
export interface RedisServer {
  readonly url: string;
  /** Of the server that runs now. */
  readonly pid: number;
  flush(): Promise<void>;
  /** Kills it, and starts it again, empty, after a while. */
  restartEmpty(downMs: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedisServer(directory: string): Promise<RedisServer> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}/0`;
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
  const launch = async (): Promise<ChildProcess> => {
    const child = spawn('redis-server', [...args, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' });
    await Promise.race([
      once(child, 'spawn'),
      once(child, 'error').then(([error]) => {
        throw new Error('redis-server does not start: without it only --engine postgres can run', { cause: error });
      }),
    ]);
    await withRedis(url, (redis) => redis.ping());
    return child;
  };
  let server = await launch();
  onExit(() => server.kill('SIGKILL'));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  };
  return {
    url,
    get pid() {
      return server.pid ?? 0;
    },
    flush: () => withRedis(url, (redis) => redis.flushall()),
    restartEmpty: async (downMs) => {
      await end('SIGKILL');
      await sleep(downMs);
      server = await launch();
    },
    stop: () => end('SIGTERM'),
  };
}

async function withRedis(url: string, work: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: 200 });
  redis.on('error', () => undefined);
  try {
    await work(redis);
  } finally {
    redis.disconnect();
  }
}
