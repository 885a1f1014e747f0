import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendPage } from '../pages/layout.ts';
import { RequestError, sendProblem } from '../problem.ts';
import type { Refusal } from './decide-access.ts';
import { refusalPage } from './sign-in-page.ts';

const TITLES = { 401: 'Not signed in', 403: 'Not allowed', 429: 'Too many attempts' } as const;

/** An answer to a request that is not served, for programs or for people, whoever asks. */
export interface Refused extends Omit<Refusal, 'status'> {
  readonly status: keyof typeof TITLES;
}

/** Answers instead of the route: programs get a problem, people a page, or the way to the sign-in page. */
export async function refuse(request: FastifyRequest, reply: FastifyReply, refused: Refused): Promise<FastifyReply> {
  const { status, code, detail } = refused;
  const title = TITLES[status];
  if (isForPeople(request)) {
    if (status === 401 && isFromElsewhere(request)) return reply.type('text/html; charset=utf-8').send(ONCE_MORE);
    if (status === 401) return reply.redirect(signInPath(request), 303);
    return sendPage(request, reply.code(status), refusalPage({ title, detail }));
  }
  const headers = status === 401 ? { 'www-authenticate': challenge(code) } : {};
  return sendProblem(request, reply, new RequestError(detail, { status, code, headers }));
}

/** Whether a person has followed a link of another site, or of a mail: the browser keeps a strict cookie back then. */
function isFromElsewhere({ method, headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  return (
    method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && (site === 'cross-site' || site === 'same-site')
  );
}

/** Asks for the same page from one of our own, with the cookie of whoever has signed in. */
const ONCE_MORE =
  '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0"><link rel="icon" href="data:,"><title>Sheaf</title></head></html>';

function challenge(code: string): string {
  return code === 'bad-token' ? 'Bearer realm="sheaf", error="invalid_token"' : 'Bearer realm="sheaf"';
}

/**
 * Browsers ask for pages in HTML; scripts and programs do not, and what is below `/api` speaks JSON only. The server of
 * a worker has no pages.
 */
export function isForPeople({ headers, url, server }: FastifyRequest): boolean {
  if (!server.hasRoute({ method: 'GET', url: '/sign-in' })) return false;
  return headers.accept?.includes('text/html') === true && !/^\/(?:board\/)?api(?:[/?]|$)/.test(url);
}

/** Where to go on after signing in: the page that was asked for, if it can be asked for again. */
function signInPath({ method, url }: FastifyRequest): string {
  return method === 'GET' && url !== '/' ? `/sign-in?next=${encodeURIComponent(url)}` : '/sign-in';
}

/** A path of this server to go to, or `/`: never the address of another one, however it is written. */
export function localPath(next: unknown): string {
  if (typeof next !== 'string' || !/^\/(?![/\\])[\x21-\x7e]*$/.test(next) || next.includes('\\')) return '/';
  const url = URL.parse(next, 'http://sheaf.invalid');
  // Dots are taken out while it is parsed, and what is left may name another server where `next` did not.
  if (url?.host !== 'sheaf.invalid' || /^\/[/\\]/.test(url.pathname)) return '/';
  return url.pathname + url.search;
}
