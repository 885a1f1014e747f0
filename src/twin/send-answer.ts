import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type Answer, bodyBytes, htmlPage, type PageBody } from './answer.ts';
import type { Fault, RetryAfter } from './faults.ts';

/** What went out. */
export type Sent = { readonly status: number; readonly rows: number };

type Headers = Record<string, string>;
/** `signal` ends every wait when the server stops. */
export type SendOptions = { readonly isGzip: boolean; readonly isHead: boolean; readonly signal: AbortSignal };

const serviceHeaders: Headers = {
  'Cache-Control': 'no-cache',
  DataServiceVersion: '3.0',
  Server: 'Microsoft-IIS/8.5',
  'X-Powered-By': 'ASP.NET',
};

/** Sends an answer as it is, or as a fault spoils it. Resolves when everything is sent that will be. */
export async function sendAnswer(
  response: ServerResponse,
  answer: Answer,
  options: SendOptions & { fault: Fault | null },
): Promise<Sent> {
  const { fault } = options;
  if (fault === null) return sendWhole(response, answer, options);
  switch (fault.kind) {
    // The answer was made that way.
    case 'shifted-rows':
    case 'wrong-count':
      return sendWhole(response, answer, options);
    case 'status':
      return sendWhole(response, statusAnswer(answer, fault), options, retryHeaders(fault.retryAfter));
    case 'html-body':
      return sendWhole(
        response,
        { ...answer, contentType: 'text/html', body: htmlPage('Welcome', 'Under repair.') },
        options,
      );
    case 'other-shape':
      return sendWhole(
        response,
        { ...answer, body: fault.body ?? '{"error":{"message":"Something went wrong."}}' },
        options,
      );
    case 'duplicated-rows':
      return sendWhole(response, { ...answer, body: repeatRows(answer.body, fault.rows ?? 1) }, options);
    case 'missing-rows':
      return sendWhole(response, { ...answer, body: dropRows(answer.body, fault.rows ?? 1) }, options);
    default:
      return sendBroken(response, answer, { ...options, fault });
  }
}

type BrokenFault = Extract<Fault, { kind: 'hang' | 'reset' | 'truncated-body' | 'slow-body' }>;

async function sendBroken(
  response: ServerResponse,
  answer: Answer,
  options: SendOptions & { fault: BrokenFault },
): Promise<Sent> {
  const { fault } = options;
  switch (fault.kind) {
    case 'hang':
      return hang(response, answer, { ...options, forMs: fault.forMs });
    case 'reset':
      return reset(response, answer, fault.afterBytes);
    case 'truncated-body':
      return truncate(response, answer, fault.sentShare ?? 0.5);
    case 'slow-body':
      return sendSlowly(response, answer, { ...fault, signal: options.signal });
  }
}

function statusAnswer(answer: Answer, fault: Extract<Fault, { kind: 'status' }>): Answer {
  return {
    ...answer,
    status: fault.status,
    body: fault.body ?? '',
    contentType: fault.body === undefined ? null : 'text/html',
  };
}

function retryHeaders(retryAfter: RetryAfter | undefined): Headers {
  if (retryAfter === undefined) return {};
  if ('inSeconds' in retryAfter) return { 'Retry-After': String(retryAfter.inSeconds) };
  return { 'Retry-After': new Date(Date.now() + retryAfter.dateInSeconds * 1000).toUTCString() };
}

function sendWhole(response: ServerResponse, answer: Answer, options: SendOptions, extra: Headers = {}): Sent {
  const plain = bodyBytes(answer.body);
  const isGzip = options.isGzip && plain.length > 0;
  const body = isGzip ? gzipSync(plain, { level: 1 }) : plain;
  const encoding = isGzip ? { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' } : {};
  response.writeHead(answer.status, { ...headersOf(answer, body.length), ...encoding, ...extra });
  response.end(options.isHead ? undefined : body);
  return { status: answer.status, rows: rowsOf(answer) };
}

function headersOf(answer: Answer, length: number): Headers {
  const type: Headers = answer.contentType === null ? {} : { 'Content-Type': answer.contentType };
  return { ...serviceHeaders, ...type, 'Content-Length': String(length) };
}

function rowsOf(answer: Answer): number {
  return typeof answer.body === 'string' ? 0 : answer.body.rows.length;
}

function repeatRows(body: string | PageBody, rows: number): string | PageBody {
  return typeof body === 'string' ? body : { ...body, rows: [...body.rows, ...body.rows.slice(-rows)] };
}

function dropRows(body: string | PageBody, rows: number): string | PageBody {
  return typeof body === 'string' ? body : { ...body, rows: body.rows.slice(0, -rows) };
}

async function hang(
  response: ServerResponse,
  answer: Answer,
  options: SendOptions & { forMs: number | undefined },
): Promise<Sent> {
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  const time = options.forMs === undefined ? gone : pause(options.forMs, options.signal);
  await Promise.race([gone, time]);
  if (response.destroyed) return { status: 0, rows: 0 };
  return sendWhole(response, answer, options);
}

async function reset(response: ServerResponse, answer: Answer, afterBytes: number | undefined): Promise<Sent> {
  if (afterBytes !== undefined) await sendPart(response, answer, afterBytes);
  response.socket?.resetAndDestroy();
  return { status: afterBytes === undefined ? 0 : answer.status, rows: 0 };
}

async function truncate(response: ServerResponse, answer: Answer, share: number): Promise<Sent> {
  const length = bodyBytes(answer.body).length;
  await sendPart(response, answer, Math.floor(length * Math.min(Math.max(share, 0), 1)));
  response.socket?.end();
  return { status: answer.status, rows: 0 };
}

/** Headers for the whole body, and its first bytes; resolves when they are handed to the system. */
async function sendPart(response: ServerResponse, answer: Answer, bytes: number): Promise<void> {
  const body = bodyBytes(answer.body);
  response.writeHead(answer.status, headersOf(answer, body.length));
  response.flushHeaders();
  await new Promise<void>((resolve) => response.write(body.subarray(0, bytes), () => resolve()));
}

async function sendSlowly(
  response: ServerResponse,
  answer: Answer,
  pace: { durationMs: number; pieces?: number; signal: AbortSignal },
): Promise<Sent> {
  const body = bodyBytes(answer.body);
  const pieces = Math.max(1, Math.min(pace.pieces ?? 10, body.length));
  response.writeHead(answer.status, headersOf(answer, body.length));
  response.flushHeaders();
  for (let piece = 0; piece < pieces; piece += 1) {
    await pause(pace.durationMs / pieces, pace.signal);
    if (response.destroyed) break;
    response.write(body.subarray(part(piece), part(piece + 1)));
  }
  response.end();
  return { status: answer.status, rows: rowsOf(answer) };

  function part(piece: number): number {
    return Math.floor((body.length * piece) / pieces);
  }
}

/** Waits, and comes back early when the server stops. */
export async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  if (durationMs <= 0) return;
  await wait(durationMs, undefined, { signal }).catch(() => undefined);
}
