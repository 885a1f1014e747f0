import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/**
 * How often signing in may be tried, in five minutes: from an address, for a name, and at all. The last keeps a crowd
 * from keeping the processor busy with passwords. Each server counts for itself; who is signed in is not concerned.
 */
const LIMITS = { address: 20, name: 30, all: 300 } as const;
const WINDOW_MS = 300_000;

export interface Attempts {
  /** Counts an attempt. Returns after how many seconds another is taken; 0 when this one is. */
  waitFor(request: FastifyRequest, name: string): Promise<number>;
}

export async function createAttempts(app: FastifyInstance): Promise<Attempts> {
  await app.register(rateLimit, { global: false });
  const names = new WeakMap<FastifyRequest, string>();
  const limit = (max: number, keyGenerator: (request: FastifyRequest) => string) =>
    app.createRateLimit({ max, timeWindow: WINDOW_MS, keyGenerator });
  const checks = [
    limit(LIMITS.address, ({ ip }) => ip),
    limit(LIMITS.name, (request) => names.get(request) ?? ''),
    limit(LIMITS.all, () => 'all'),
  ];
  return {
    waitFor: async (request, name) => {
      names.set(request, name);
      for (const check of checks) {
        const found = await check(request);
        if (!found.isAllowed && found.isExceeded) return Math.max(1, found.ttlInSeconds);
      }
      return 0;
    },
  };
}
