import type { FastifyInstance } from 'fastify';
import type { Actor } from '../../domain/actor.ts';
import type { ServerContext } from '../server-context.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. */
    actor: Actor;
  }
  interface FastifyContextConfig {
    /** Who may use the route; by default viewers where it only reads (GET, HEAD), and operators elsewhere. */
    access?: 'anyone' | 'viewer' | 'operator';
  }
}

/** Decides who asks, and what they may do; before every route. */
export async function registerSecurity(app: FastifyInstance, _context: ServerContext): Promise<void> {
  app.decorateRequest('actor');
  app.addHook('onRequest', async (request) => {
    request.actor = { name: 'local', role: 'operator', via: 'page', address: request.ip };
  });
}
