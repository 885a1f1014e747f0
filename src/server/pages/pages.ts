import { fastifyFormbody } from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import type { ReadContext } from '../browsing.ts';
import { registerDatasets } from './datasets/routes.ts';
import { registerFailures } from './failures.ts';
import { Watches } from './live/watches.ts';
import { Pace } from './progress.ts';
import { registerRun } from './run/routes.ts';
import { registerRuns } from './runs/routes.ts';
import { registerSchedules } from './schedules/routes.ts';

/** The pages for people. */
export async function registerPages(app: FastifyInstance, context: ReadContext): Promise<void> {
  await app.register(fastifyFormbody);
  registerFailures(app, context.telemetry);
  const watches = new Watches(context.telemetry);
  app.addHook('preClose', async () => watches.close());
  const live = { pace: new Pace(), watches };
  registerRuns(app, context, live);
  registerRun(app, context, live);
  registerSchedules(app, context);
  registerDatasets(app, context, live);
}
