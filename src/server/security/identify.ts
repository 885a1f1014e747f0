import type { FastifyRequest } from 'fastify';
import type { AccessEntry } from '../../domain/access.ts';
import type { Actor } from '../../domain/actor.ts';
import { findToken, fingerprint, isSame } from './credentials.ts';

/**
 * Who asks. local: no access is configured, and everybody who reaches the server is on this machine. session: a user,
 * by the cookie. token: a program. nobody: has shown nothing, or a session that has ended. bad-token: has shown
 * something that is no token of ours.
 */
export type Identity =
  | { readonly kind: 'local' | 'session' | 'token'; readonly actor: Actor }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'bad-token' };

/** A session ends after this time without a request, in milliseconds. */
export const SESSION_IDLE_MS = 12 * 3_600_000;
/** A session ends after this time whatever is done with it, in milliseconds. */
const SESSION_MS = 7 * 24 * 3_600_000;
/** The cookie is renewed this often at most, in milliseconds. */
const RENEW_MS = 10 * 60_000;

export function identify(request: FastifyRequest, entries: readonly AccessEntry[]): Identity {
  if (entries.length === 0) return { kind: 'local', actor: actorOf(request, { name: 'local', role: 'operator' }) };
  const { authorization } = request.headers;
  if (authorization !== undefined) return byToken(request, entries, authorization);
  const user = userOfSession(request, entries);
  return user === null ? { kind: 'nobody' } : { kind: 'session', actor: actorOf(request, user) };
}

function byToken(request: FastifyRequest, entries: readonly AccessEntry[], authorization: string): Identity {
  const token = /^Bearer ([\w.~+/=-]{1,200})$/i.exec(authorization)?.[1];
  const entry = token === undefined ? null : findToken(entries, token);
  if (entry === null) return { kind: 'bad-token' };
  return { kind: 'token', actor: { ...actorOf(request, entry), via: 'api' } };
}

function userOfSession({ session }: FastifyRequest, entries: readonly AccessEntry[]): AccessEntry | null {
  const user = entries.find(({ kind, name }) => kind === 'user' && name === session.get('user'));
  const signedInAt = session.get('signedInAt');
  if (user === undefined || typeof signedInAt !== 'number') return null;
  if (!isSame(session.get('fingerprint') ?? '', fingerprint(user))) return null;
  return Date.now() - signedInAt < SESSION_MS ? user : null;
}

/** Begins a session of a user, in place of the one that there may be. */
export function beginSession({ session }: FastifyRequest, user: AccessEntry): void {
  session.regenerate();
  session.set('user', user.name);
  session.set('fingerprint', fingerprint(user));
  session.set('signedInAt', Date.now());
  session.set('renewedAt', Date.now());
}

/** Puts off the end of a session that is in use. */
export function renewSession({ session }: FastifyRequest): void {
  const renewedAt = session.get('renewedAt') ?? 0;
  if (Date.now() - renewedAt > RENEW_MS) session.set('renewedAt', Date.now());
}

export function actorOf(request: FastifyRequest, { name, role }: Pick<Actor, 'name' | 'role'>): Actor {
  return { name, role, via: viaOf(request), address: request.ip };
}

function viaOf({ url }: FastifyRequest): Actor['via'] {
  if (/^\/api(?:[/?]|$)/.test(url)) return 'api';
  return /^\/board(?:[/?]|$)/.test(url) ? 'board' : 'page';
}
