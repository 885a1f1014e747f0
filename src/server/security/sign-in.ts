import { fastifyFormbody } from '@fastify/formbody';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { writeAudit } from '../../db/queries/audit.ts';
import type { AccessEntry } from '../../domain/access.ts';
import { isLoopback } from '../../domain/address.ts';
import type { AuditEntry } from '../../domain/audit.ts';
import { sendPage } from '../pages/layout.ts';
import type { ServerContext } from '../server-context.ts';
import { findUser } from './credentials.ts';
import { actorOf, beginSession } from './identify.ts';
import { createAttempts } from './limit-attempts.ts';
import { localPath, refuse } from './refuse.ts';
import { signInPage } from './sign-in-page.ts';

interface SignInForm {
  readonly name: string;
  readonly password: string;
  readonly next: string;
}

/** The sign-in page and its form, and signing out. Without configured access they have nothing to do. */
export async function registerSignIn(app: FastifyInstance, context: ServerContext): Promise<void> {
  const { database, access } = context;
  await app.register(fastifyFormbody, { bodyLimit: 4_096 });
  const attempts = await createAttempts(app);
  const note = (
    request: FastifyRequest,
    entry: Pick<AuditEntry, 'action' | 'outcome'> & { user: AccessEntry | null },
  ) => writeAudit(database, { ...entry, actor: auditActor(request, entry.user), target: null });

  app.get('/sign-in', { config: { access: 'anyone' } }, async (request, reply) => {
    const next = localPath((request.query as Record<string, unknown>)['next']);
    if (access.entries.length === 0 || request.signedIn) return reply.redirect(next, 303);
    return isSafeLine(request)
      ? sendPage(request, reply, signInPage({ next, trouble: null }))
      : refuse(request, reply, NEEDS_HTTPS);
  });

  app.post('/sign-in', { config: { access: 'anyone' } }, async (request, reply) => {
    const form = readForm(request.body);
    if (!isSafeLine(request)) return refuse(request, reply, NEEDS_HTTPS);
    const waitSeconds = await attempts.waitFor(request, form.name);
    if (waitSeconds > 0) {
      reply.header('retry-after', waitSeconds);
      return refuse(request, reply, { status: 429, code: 'too-many-attempts', detail: tooMany(waitSeconds) });
    }
    const user = await findUser(access.entries, form);
    if (user === null) {
      const known = access.entries.find(({ kind, name }) => kind === 'user' && name === form.name) ?? null;
      await note(request, { action: 'sign-in', outcome: 'refused', user: known });
      const page = signInPage({
        next: form.next,
        name: form.name,
        trouble: 'That name and password do not go together.',
      });
      return sendPage(request, reply.code(401), page);
    }
    await note(request, { action: 'sign-in', outcome: 'done', user });
    beginSession(request, user);
    request.session.options(cookieOptions(request));
    return reply.redirect(form.next, 303);
  });

  app.post('/sign-out', { config: { access: 'viewer' } }, async (request, reply) => {
    if (request.signedIn) {
      const user = access.entries.find(({ name }) => name === request.actor.name) ?? null;
      await note(request, { action: 'sign-out', outcome: 'done', user });
      request.session.delete();
    }
    return reply.redirect('/sign-in', 303);
  });
}

const NEEDS_HTTPS = {
  status: 403,
  code: 'needs-https',
  detail:
    'Passwords are not taken over a connection that others can read. Reach this server by https, through a proxy that SHEAF_TRUST_PROXY names, or on its own machine by http://localhost.',
} as const;

/** A password, and the cookie, may go where only this machine hears them, or where they are encrypted. */
function isSafeLine({ protocol, hostname }: FastifyRequest): boolean {
  return protocol === 'https' || isLoopback(hostname);
}

/** Of a session's cookie. Browsers do not keep a `Secure` one that came by http. */
export function cookieOptions({ protocol }: FastifyRequest): { secure: boolean } {
  return { secure: protocol === 'https' };
}

function tooMany(seconds: number): string {
  return `Signing in has been tried too often. Try again in ${seconds} seconds.`;
}

function readForm(body: unknown): SignInForm {
  const fields = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : '');
  return { name: text('name').trim(), password: text('password'), next: localPath(fields['next']) };
}

/** A name that nobody has may be a password in the wrong field: it is not kept. */
function auditActor(request: FastifyRequest, user: AccessEntry | null): AuditEntry['actor'] {
  if (user !== null) return actorOf(request, user);
  return { ...actorOf(request, { name: 'unknown', role: 'viewer' }), role: null };
}
