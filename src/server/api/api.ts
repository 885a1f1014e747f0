import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../server-context.ts';

/** The REST API, below `/api`. */
export function registerApi(_app: FastifyInstance, _context: ServerContext): void {}
