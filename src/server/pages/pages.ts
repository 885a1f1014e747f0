import { fastifyFormbody } from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../server-context.ts';
import { registerFailures } from './failures.ts';
import { Pace } from './progress.ts';
import { registerRun } from './run/routes.ts';
import { registerRuns } from './runs/routes.ts';

/** The pages for people. */
export async function registerPages(app: FastifyInstance, context: ServerContext): Promise<void> {
  await app.register(fastifyFormbody);
  registerFailures(app, context.telemetry);
  const pace = new Pace();
  registerRuns(app, context, pace);
  registerRun(app, context, pace);
}
