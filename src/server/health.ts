import type { FastifyInstance } from 'fastify';
import type { ServerContext } from './server-context.ts';

/** `/healthz`: the process answers. */
export function registerHealth(app: FastifyInstance, { version }: ServerContext): void {
  app.get('/healthz', { config: { access: 'anyone' } }, async () => ({ status: 'ok', version }));
}
