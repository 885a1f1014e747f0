import etag from '@fastify/etag';
import type { FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { toStoredError } from '../../domain/errors.ts';
import type { ReadContext } from '../browsing.ts';
import { sendProblem, toProblem } from '../problem.ts';
import type { ServerContext } from '../server-context.ts';
import { registerDatasets } from './datasets.ts';
import { registerDocumentation } from './documentation.ts';
import { registerExports } from './exports.ts';
import { registerFleet } from './fleet.ts';
import { rememberRoutes } from './known-routes.ts';
import type { ApiScope } from './operation.ts';
import { registerRecords } from './records.ts';
import { registerRejectActions, registerRejects } from './rejects.ts';
import { registerRunActions } from './run-actions.ts';
import { registerRuns } from './runs.ts';
import { registerScheduleActions, registerSchedules } from './schedules.ts';

/** The REST API, below `/api`. */
export async function registerApi(app: FastifyInstance, context: ReadContext): Promise<void> {
  answerWithProblems(app, context);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await registerDocumentation(app, context);
  await app.register(async (scope) => registerReads(scope, context));
  await app.register(async (scope) => registerActions(scope.withTypeProvider<ZodTypeProvider>(), context));
}

/** What only reads: its answers have an ETag. */
async function registerReads(scope: FastifyInstance, context: ReadContext): Promise<void> {
  await scope.register(etag);
  scope.addHook('onSend', async (_request, reply, payload) => {
    const isFresh = reply.statusCode === 200 || reply.statusCode === 304;
    if (!isFresh) reply.removeHeader('etag');
    reply.header('cache-control', isFresh ? 'private, no-cache' : 'no-store');
    return payload;
  });
  const app: ApiScope = scope.withTypeProvider<ZodTypeProvider>();
  registerRuns(app, context);
  registerExports(app, context);
  registerRejects(app, context);
  registerFleet(app, context);
  registerSchedules(app, context);
  registerDatasets(app, context);
  registerRecords(app, context);
}

/** What changes something. */
function registerActions(app: ApiScope, context: ServerContext): void {
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
  });
  registerRunActions(app, context);
  registerRejectActions(app, context);
  registerScheduleActions(app, context);
}

function answerWithProblems(app: FastifyInstance, { telemetry }: ServerContext): void {
  app.setErrorHandler((error, request, reply) => {
    if (toProblem(error).problem.code === 'unexpected') {
      const path = request.routeOptions.url ?? '';
      telemetry.emit('server.failed', { method: request.method, path, error: toStoredError(error) });
    }
    return sendProblem(request, reply, error);
  });
  const refuse = rememberRoutes(app);
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, refuse(request)));
}
