import type { FastifyInstance } from 'fastify';
import type { ServerContext } from './server-context.ts';

/** Tells of every request that was answered. The route's pattern stands for the address, whose parts may be secret. */
export function tellOfRequests(app: FastifyInstance, { telemetry }: Pick<ServerContext, 'telemetry'>): void {
  app.addHook('onResponse', async (request, reply) => {
    telemetry.emit('http.answered', {
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime),
      actor: request.actor?.name ?? null,
    });
  });
}
