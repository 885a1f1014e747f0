import type { FastifyInstance } from 'fastify';
import { createFleetMetrics } from './metrics.ts';
import { createReadiness } from './readiness.ts';
import type { ServerContext } from './server-context.ts';

export interface HealthOptions {
  /** Whether `/metrics` speaks of the whole fleet, too, and not only of this process. */
  readonly hasFleet: boolean;
}

/** `/healthz`: the process answers. `/readyz`: its stores do, too. `/metrics`: for Prometheus. */
export function registerHealth(app: FastifyInstance, context: ServerContext, { hasFleet }: HealthOptions): void {
  const { version, metrics } = context;
  app.get('/healthz', { config: { access: 'anyone' } }, async () => ({ status: 'ok', version }));

  const readiness = createReadiness(context);
  app.get('/readyz', { config: { access: 'anyone' } }, async (_request, reply) => {
    const answer = await readiness();
    reply.code(answer.status === 'ready' ? 200 : 503).header('cache-control', 'no-store');
    return answer;
  });

  const refresh = createFleetMetrics(context, { hasFleet });
  app.get('/metrics', async (_request, reply) => {
    await refresh();
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
}
