import session from '@fastify/secure-session';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { sessionKey } from '../../db/queries/installation.ts';
import type { Actor } from '../../domain/actor.ts';
import type { ServerContext } from '../server-context.ts';
import { type Access, decideAccess, defaultAccess } from './decide-access.ts';
import { registerHeaders } from './headers.ts';
import { actorOf, type Identity, identify, renewSession, SESSION_IDLE_MS } from './identify.ts';
import { refuse } from './refuse.ts';
import { sessionCookie } from './session-cookie.ts';
import { cookieOptions } from './sign-in.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Where anyone may, and nobody has signed in, a viewer named `anyone`. */
    actor: Actor;
    /** Whether a person has signed in, and may sign out. */
    signedIn: boolean;
  }
  interface FastifyContextConfig {
    /** Who may use the route; by default viewers where it only reads (GET, HEAD), and operators elsewhere. */
    access?: Access;
  }
}

declare module '@fastify/secure-session' {
  interface SessionData {
    user: string;
    fingerprint: string;
    /** Milliseconds since 1970, as the other one. */
    signedInAt: number;
    renewedAt: number;
  }
}

/** Decides who asks, and what they may do; before every route. */
export async function registerSecurity(app: FastifyInstance, context: ServerContext): Promise<void> {
  const { database, access } = context;
  await registerHeaders(app);
  await app.register(session, {
    key: await sessionKey(database),
    cookieName: await sessionCookie(database),
    expiry: SESSION_IDLE_MS / 1_000,
    cookie: { path: '/', httpOnly: true, sameSite: 'strict', maxAge: SESSION_IDLE_MS / 1_000 },
  });
  app.decorateRequest('actor');
  app.decorateRequest('signedIn', false);
  app.addHook('onRequest', async (request, reply) => {
    const identity = identify(request, access.entries);
    request.actor = 'actor' in identity ? identity.actor : actorOf(request, { name: 'anyone', role: 'viewer' });
    request.signedIn = identity.kind === 'session';
    const refusal = decideAccess(askedBy(request, identity));
    if (refusal !== null) return refuse(request, reply, refusal);
    if (!request.signedIn) return;
    renewSession(request);
    request.session.options(cookieOptions(request));
  });
}

function askedBy(request: FastifyRequest, identity: Identity) {
  const { method, headers, hostname, protocol, host } = request;
  const access = request.routeOptions.config?.access ?? defaultAccess(method);
  return { method, headers, hostname, origin: `${protocol}://${host}`, identity, access };
}
