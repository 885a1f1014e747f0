import { type FastifyInstance, fastify } from 'fastify';
import { registerApi } from './api/api.ts';
import { registerBoard } from './board.ts';
import { openBrowsing } from './browsing.ts';
import { registerHealth } from './health.ts';
import { registerAssets } from './pages/assets.ts';
import { registerPages } from './pages/pages.ts';
import { tellOfRequests } from './request-events.ts';
import { registerSecurity } from './security/security.ts';
import { registerSignIn } from './security/sign-in.ts';
import { answerUnreadable } from './security/unreadable.ts';
import { answerUnroutable } from './security/unroutable.ts';
import type { ServerContext } from './server-context.ts';

/** The largest body of a request, in bytes: a harvest's request is a few hundred. */
const BODY_LIMIT = 64 * 1024;
/** How long a request may take to arrive whole, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How often requests that arrive too slowly are looked for, in milliseconds. */
const CHECK_MS = 1_000;

/**
 * Builds the server: API, pages, Bull Board, health and metrics. It does not listen yet; tests may inject requests.
 * Security comes first: its hooks hold for every route below.
 */
export async function createApp(context: ServerContext): Promise<FastifyInstance> {
  const app = fastify(serverOptions(context));
  tellOfRequests(app, context);
  await registerSecurity(app, context);
  await app.register(async (scope) => registerSignIn(scope, context));
  await registerAssets(app);
  await app.register(async (scope) => registerHealth(scope, context, { hasFleet: true }));
  const reading = openBrowsing(app, context);
  await app.register(async (scope) => registerApi(scope, reading), { prefix: '/api' });
  await app.register(async (scope) => registerBoard(scope, context), { prefix: '/board' });
  await app.register(async (scope) => registerPages(scope, reading));
  await app.ready();
  return app;
}

/** Builds the small server of a worker process: health and metrics of that process, behind the same security. */
export async function createWorkerApp(context: ServerContext): Promise<FastifyInstance> {
  const app = fastify(serverOptions(context));
  tellOfRequests(app, context);
  await registerSecurity(app, context);
  await app.register(async (scope) => registerHealth(scope, context, { hasFleet: false }));
  await app.ready();
  return app;
}

function serverOptions({ access: { trustedProxies }, telemetry }: ServerContext) {
  return {
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: CHECK_MS },
    clientErrorHandler: answerUnreadable(telemetry),
    frameworkErrors: answerUnroutable(telemetry),
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
  };
}
