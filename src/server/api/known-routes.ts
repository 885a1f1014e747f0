import type { FastifyInstance } from 'fastify';
import { RequestError } from '../problem.ts';

/** Remembers the routes that are registered after this. Returns what a request is answered with that none of them takes. */
export function rememberRoutes(app: FastifyInstance): (request: { method: string; url: string }) => RequestError {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+')}$`);
    routes.push({ pattern, methods: [method].flat() });
  });
  return ({ method, url }) => {
    const path = url.split('?', 1)[0] ?? '';
    const allowed = routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    return allowed.length === 0 ? unknownRoute(method, path) : notAllowed(method, path, [...new Set(allowed)]);
  };
}

function unknownRoute(method: string, path: string): RequestError {
  return new RequestError(`There is no ${method} ${path}. /api/docs lists what there is.`, {
    status: 404,
    code: 'unknown-route',
  });
}

function notAllowed(method: string, path: string, allowed: readonly string[]): RequestError {
  const allow = allowed.toSorted().join(', ');
  return new RequestError(`${path} takes ${allow}, not ${method}.`, {
    status: 405,
    code: 'method-not-allowed',
    headers: { allow },
  });
}
