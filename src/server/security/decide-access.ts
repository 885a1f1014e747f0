import type { IncomingHttpHeaders } from 'node:http';
import type { Role } from '../../domain/actor.ts';
import { isLoopback } from '../../domain/address.ts';
import type { Identity } from './identify.ts';
import { isFromOurPages } from './origin.ts';

export type Access = 'anyone' | Role;

/** Why a request is not served. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly code: string;
  /** What is wrong and what to do, for people. */
  readonly detail: string;
}

/** What of a request decides whether it may be served. */
export interface Asked {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly hostname: string;
  /** Scheme, host and port, as the browser sees them. */
  readonly origin: string;
  readonly identity: Identity;
  readonly access: Access;
}

/** Whether a method only reads. */
export function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** What a route demands that does not say: viewers may read, everything else is for operators. */
export function defaultAccess(method: string): Access {
  return isReading(method) ? 'viewer' : 'operator';
}

/** Null: the request may be served. */
export function decideAccess(asked: Asked): Refusal | null {
  return refuseStranger(asked) ?? refuseForgery(asked) ?? refuseRole(asked);
}

const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * Where nobody has to sign in, whoever is on this machine may do everything, and a name that another site made point
 * at this machine (DNS rebinding), or a proxy, must not make others look like that.
 */
function refuseStranger({ identity, hostname, headers }: Asked): Refusal | null {
  if (identity.kind !== 'local') return null;
  if (!isLoopback(hostname)) {
    const detail = `This server is for this machine only, and was asked for under another name. Use http://localhost or http://127.0.0.1, or give people access with SHEAF_ACCESS.`;
    return { status: 403, code: 'foreign-host', detail };
  }
  if (!FORWARDED.some((name) => headers[name] !== undefined)) return null;
  const detail = `This request came through a proxy, and nobody has to sign in here. Give people access with SHEAF_ACCESS, and name the proxy with SHEAF_TRUST_PROXY.`;
  return { status: 403, code: 'foreign-host', detail };
}

/** A browser adds no token by itself, so what comes with one was meant. */
function refuseForgery({ method, headers, origin, identity }: Asked): Refusal | null {
  if (isReading(method) || identity.kind === 'token' || identity.kind === 'bad-token') return null;
  if (isFromOurPages(headers, origin)) return null;
  return {
    status: 403,
    code: 'foreign-origin',
    detail: 'This request came from a page of another site. Programs send a token instead of a cookie.',
  };
}

function refuseRole({ identity, access, method }: Asked): Refusal | null {
  if (access === 'anyone') return null;
  if (identity.kind === 'bad-token')
    return { status: 401, code: 'bad-token', detail: 'This is no token of this server: it may have been taken back.' };
  if (identity.kind === 'nobody')
    return { status: 401, code: 'not-signed-in', detail: 'Sign in, or send a token: Authorization: Bearer <token>.' };
  if (access === 'viewer' || identity.actor.role === 'operator') return null;
  const what = isReading(method) ? 'see this' : 'do this';
  const detail = `${identity.actor.name} is a viewer, and only operators may ${what}.`;
  return { status: 403, code: 'not-allowed', detail };
}
