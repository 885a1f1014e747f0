import type { FastifyInstance } from 'fastify';
import type { ServerContext } from './server-context.ts';

/** Bull Board, below `/board`. */
export function registerBoard(_app: FastifyInstance, _context: ServerContext): void {}
