import { describe, inject } from 'vitest';

/** Runs a suite over both queue engines; the Redis one only where a redis-server is installed. */
export function describeEngines(name: string, suite: (redisUrl: string | undefined) => void): void {
  describe(`${name}, on PostgreSQL`, () => suite(undefined));
  const redisUrl = inject('redisUrl');
  describe.runIf(redisUrl !== null)(`${name}, on Redis`, () => suite(redisUrl ?? undefined));
}
