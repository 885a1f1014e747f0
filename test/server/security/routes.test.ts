import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { expect, it } from 'vitest';
import { bearer, OPERATOR_TOKEN, signIn, startGuardedFleet, VIEWER_TOKEN } from './setup.ts';

interface Route {
  readonly method: string;
  readonly path: string;
  readonly access: 'anyone' | 'viewer' | 'operator';
}

/**
 * Routes that demand something else than their method says: reading is for viewers, everything else for operators. Who
 * adds one thinks about it here.
 */
const EXCEPTIONS = [
  'GET /api/audit: operator',
  'GET /assets/: anyone',
  'GET /healthz: anyone',
  'GET /readyz: anyone',
  'GET /sign-in: anyone',
  'POST /sign-in: anyone',
  'POST /sign-out: viewer',
];

/** Starts a server, and returns it with every route that it has, as Fastify was told of them. */
async function startWithRoutes() {
  const told: RouteOptions[] = [];
  const note = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', (route) => void told.push(route)); // plugins may still change what it says
  };
  subscribe('fastify.initialization', note);
  const fleet = await startGuardedFleet();
  unsubscribe('fastify.initialization', note);
  const routes = told.flatMap(({ method, url, config }) =>
    [method].flat().map((each): Route => {
      const byMethod = each === 'GET' || each === 'HEAD' ? 'viewer' : 'operator';
      return { method: each, path: url, access: config?.access ?? byMethod };
    }),
  );
  return { url: fleet.url, routes };
}

const isReading = ({ method }: Route) => method === 'GET' || method === 'HEAD';

/** A route's status; its answer may be a stream without end, and is not read. */
async function ask(url: string, { method, path }: Route, headers: Record<string, string>): Promise<number> {
  const filledIn = path.replaceAll(/:[a-zA-Z]+/g, 'latest').replaceAll('*', 'x');
  const stop = new AbortController();
  const answer = await fetch(url + filledIn, {
    method,
    headers: { accept: 'application/json', ...headers },
    redirect: 'manual',
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]),
  }).catch(() => null);
  stop.abort();
  return answer?.status ?? NO_ANSWER;
}

/** Counts as refused: a route that does not even send headers is as wrong. */
const NO_ANSWER = 403.5;

const isRefused = (status: number) => status === 401 || status === 403 || status === NO_ANSWER;

it('answers at every route as its access says, to nobody, a viewer, an operator, and a forged form', async () => {
  const { url, routes } = await startWithRoutes();
  expect(routes.length).toBeGreaterThan(40);
  const operator = { cookie: await signIn(url, 'ada'), 'sec-fetch-site': 'same-origin' };
  const viewer = { cookie: await signIn(url, 'vic'), 'sec-fetch-site': 'same-origin' };
  const forged = { cookie: operator.cookie, 'sec-fetch-site': 'cross-site' };
  const wrong: string[] = [];
  const check = (route: Route, who: string, isRight: boolean) => {
    if (!isRight) wrong.push(`${route.method} ${route.path} (${route.access}) for ${who}`);
  };
  const isOpen = (status: number, { path }: Route) => !isRefused(status) || path === '/sign-in'; // it has a 401 of its own
  const checks: readonly [string, Record<string, string>, (status: number, route: Route) => boolean][] = [
    ['nobody', {}, (status, route) => (route.access === 'anyone' ? isOpen(status, route) : status === 401)],
    ['a wrong token', bearer('wrong'), (status, { access }) => access === 'anyone' || status === 401],
    ['a viewer', viewer, (status, route) => (route.access === 'operator' ? status === 403 : isOpen(status, route))],
    ["a viewer's token", bearer(VIEWER_TOKEN), (status, { access }) => (status === 403) === (access === 'operator')],
    ['an operator', operator, isOpen],
    ["an operator's token", bearer(OPERATOR_TOKEN), isOpen],
    ['another site', forged, (status, route) => isReading(route) || status === 403],
  ];
  for (const route of routes) {
    await Promise.all(
      checks.map(async ([who, headers, isRight]) => check(route, who, isRight(await ask(url, route, headers), route))),
    );
  }
  expect(wrong).toEqual([]);
}, 90_000); // some seven hundred requests

it('has no route with an access of its own but those that were thought about', async () => {
  const { routes } = await startWithRoutes();
  const special = routes
    .filter((route) => route.access !== (isReading(route) ? 'viewer' : 'operator'))
    .filter(({ method }) => method !== 'HEAD')
    .map(({ method, path, access }) => `${method} ${path.replace(/^\/assets\/.*/, '/assets/')}: ${access}`);
  expect([...new Set(special)].toSorted()).toEqual(EXCEPTIONS);
});

it('asks nobody for anything on this machine where no access is configured', async () => {
  const { url } = await startGuardedFleet({ environment: { SHEAF_ACCESS: '' } });
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
  expect((await fetch(`${url}/board/api/queues/pause`, { method: 'PUT' })).status).toBe(200);
});
