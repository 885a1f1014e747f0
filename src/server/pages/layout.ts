import type { FastifyReply, FastifyRequest } from 'fastify';
import { html } from 'ghtml';

/** A page for people. Whatever is called HTML here was made by `html`, which has escaped what it was given. */
export interface Page {
  /** The page's heading, and with it the title of its window. */
  readonly title: string;
  /** HTML that stands in the heading's place, where it says more than the title. */
  readonly heading?: string;
  /** HTML below the heading. */
  readonly content: string;
  readonly message?: Message | undefined;
  /** Where the page's changes come from, as server-sent events; a page without stays as it is. */
  readonly events?: string | undefined;
}

/** What is told above a page's content: that something was done, or why not. */
export interface Message {
  readonly kind: 'done' | 'problem';
  readonly text: string;
}

/** The ways through the pages. One whose page does not exist here is left out. */
const NAVIGATION = [
  { path: '/', text: 'Runs', also: ['/runs/:run'] },
  { path: '/datasets', text: 'Datasets', also: ['/datasets/:source/:entity'] },
  { path: '/schedules', text: 'Schedules', also: [] },
  { path: '/board', text: 'Queues', also: [] },
  { path: '/audit', text: 'Audit', also: [] },
  { path: '/api/docs', text: 'API', also: [] },
] as const;

/** How often a live page is loaded again where there is no JavaScript, in seconds. */
const REFRESH_SECONDS = 10;

/** Answers with a page. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: Page): FastifyReply {
  return reply.type('text/html; charset=utf-8').header('cache-control', 'no-store').send(renderPage(request, page));
}

/** The whole of a page: head, navigation, heading, message, content. */
export function renderPage(request: FastifyRequest, { title, heading, content, message, events }: Page): string {
  const { assetsUrl } = request.server;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Sheaf</title>
<link rel="icon" href="${assetsUrl}sheaf.svg" type="image/svg+xml">
<link rel="stylesheet" href="${assetsUrl}sheaf.css">
<link rel="stylesheet" href="${assetsUrl}forms.css">
<link rel="stylesheet" href="${assetsUrl}tables.css">
<link rel="stylesheet" href="${assetsUrl}parts.css">
<script type="module" src="${assetsUrl}sheaf.js"></script>
!${events === undefined ? '' : html`<noscript><meta http-equiv="refresh" content="${REFRESH_SECONDS}"></noscript>`}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<a class="brand" href="/"><img src="${assetsUrl}sheaf.svg" alt="" width="26" height="26"> Sheaf</a>
!${renderNavigation(request)}
!${renderAccount(request)}
</header>
<main id="content" tabindex="-1" !${events === undefined ? '' : html`data-events="${events}"`}>
<div class="heading">!${heading ?? html`<h1>${title}</h1>`}!${events === undefined ? '' : CONNECTION}</div>
!${renderMessage(message)}
!${content}
</main>
</body>
</html>`;
}

/** How the live view stands; filled by the script, and spoken by screen readers when it changes. */
const CONNECTION = '<p class="connection" id="connection" role="status"></p>';

function renderNavigation({ server, routeOptions, actor }: FastifyRequest): string {
  if (actor.name === 'anyone') return ''; // nothing there is shown to those who have not signed in
  const here = routeOptions.url ?? '';
  const entries = NAVIGATION.filter(({ path }) => exists(server, path)).map(({ path, text, also }) => {
    const isHere =
      here === path || (also as readonly string[]).includes(here) || (path !== '/' && here.startsWith(path));
    return html`<li><a href="${path}"!${isHere ? ' aria-current="page"' : ''}>${text}</a></li>`;
  });
  return html`<nav aria-label="Pages"><ul>!${entries}</ul></nav>`;
}

/** Who has signed in, and the way out. Nothing where nobody has to. */
function renderAccount({ signedIn, actor }: FastifyRequest): string {
  if (!signedIn) return '';
  return html`<form class="account" method="post" action="/sign-out"><span>${actor.name} (${actor.role})</span> <button type="submit" class="quiet">Sign out</button></form>`;
}

function exists(server: FastifyRequest['server'], path: string): boolean {
  return [path, `${path}/`].some((url) => server.hasRoute({ method: 'GET', url }));
}

function renderMessage(message: Message | undefined): string {
  if (message === undefined) return '';
  return html`<p class="message ${message.kind}" role="${message.kind === 'done' ? 'status' : 'alert'}">${message.text}</p>`;
}
