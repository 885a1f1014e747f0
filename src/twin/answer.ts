import { packPage, type RowText, rowToText } from './packed-rows.ts';
import type { Key } from './table.ts';

/** The rows of a page kept apart, so that a fault can repeat or drop some. */
export type PageBody = { readonly head: string; readonly rows: readonly RowText[]; readonly tail: string };

/** What is to be sent, before any fault. */
export type Answer = {
  readonly status: number;
  readonly contentType: string | null;
  readonly body: string | PageBody;
  readonly entity: string | null;
  readonly firstKey: Key | null;
  readonly lastKey: Key | null;
};

const jsonType = 'application/json; charset=utf-8';

/** An answer without rows. */
export function plainAnswer(status: number, contentType: string | null, body: string): Answer {
  return { status, contentType, body, entity: null, firstKey: null, lastKey: null };
}

export function jsonAnswer(status: number, body: string | PageBody): Answer {
  return { ...plainAnswer(status, jsonType, ''), body };
}

/** The text of a body. */
export function bodyText(body: string | PageBody): string {
  return typeof body === 'string' ? body : body.head + body.rows.map(rowToText).join(',') + body.tail;
}

/** The same as it is sent. */
export function bodyBytes(body: string | PageBody): Buffer {
  const isPacked = typeof body !== 'string' && typeof body.rows[0] === 'object';
  return isPacked ? packPage(body) : Buffer.from(bodyText(body), 'utf8');
}

/** What IIS answers when no route fits. */
export function notFoundPage(): Answer {
  const title = '404 - File or directory not found.';
  return plainAnswer(404, 'text/html', htmlPage(title, 'The resource you are looking for might have been removed.'));
}

/** What the framework answers for a key that is not there. */
export function unknownKey(): Answer {
  return plainAnswer(404, null, '');
}

/** What the service answers to anything but reading. */
export function notImplemented(method: string): Answer {
  return jsonAnswer(501, errorText(`${method} requests are not supported by this service.`));
}

/** A 400 with the body the behaviour asks for. */
export function badRequest(shape: 'empty' | 'json' | 'html', message: string): Answer {
  if (shape === 'json') return jsonAnswer(400, errorText(message));
  if (shape === 'html')
    return plainAnswer(400, 'text/html', htmlPage('400 - Bad Request', 'The request is not valid.'));
  return plainAnswer(400, null, '');
}

function errorText(message: string): string {
  return JSON.stringify({ 'odata.error': { code: '', message: { lang: 'en-US', value: message } } });
}

/** A page as IIS writes it. */
export function htmlPage(title: string, text: string): string {
  return [
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">',
    '<html xmlns="http://www.w3.org/1999/xhtml">',
    `<head><title>${title}</title></head>`,
    `<body><div id="header"><h1>Server Error</h1></div><fieldset><h2>${title}</h2><h3>${text}</h3></fieldset></body>`,
    '</html>',
  ].join('\r\n');
}
