import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request that changes something was made by one of our own pages, or by something that is no browser. Another
 * site can make a visitor's browser send requests, with the visitor's cookie or from the visitor's machine; but it can
 * neither read a page of ours nor choose these headers. `origin` is ours as the browser sees it, e.g.
 * `https://sheaf.example`.
 */
export function isFromOurPages(headers: IncomingHttpHeaders, origin: string): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  // Browsers without Sec-Fetch-Site send the one or the other with every form and every script's request.
  const from = headers.origin ?? headers.referer;
  if (from !== undefined) return hostOf(from) !== null && hostOf(from) === hostOf(origin);
  return headers.cookie === undefined && !isBrowser(headers['user-agent']);
}

/** Of a URL, with the port where it is not the scheme's; null for `null`, which sandboxed pages send. */
function hostOf(url: string): string | null {
  return URL.parse(url)?.host ?? null;
}

/** Every browser since the nineties calls itself Mozilla; curl and other clients say what they are, or nothing. */
function isBrowser(userAgent: string | undefined): boolean {
  return userAgent?.startsWith('Mozilla/') === true;
}
