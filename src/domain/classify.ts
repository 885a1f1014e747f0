import { OperatorError, PermanentError, SheafError, TransientError } from './errors.ts';
import { redact } from './redact.ts';

/**
 * The only place where a status or an error code of someone else becomes one of our errors, and with it a decision:
 * try again, give up, or ask the operator. One section and one table for each kind of code.
 */

/** What of an HTTP response decides how it is taken. */
export interface ResponseFacts {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body, or its beginning. */
  readonly body: string;
  readonly url: string;
  /** The media type asked for; JSON when left out. */
  readonly accept?: string;
}

const BODY_START_LENGTH = 120;
const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);
/** 501 and 505: the server will not learn the method, or the HTTP version, by our asking again. */
const FINAL_SERVER_STATUSES: ReadonlySet<number> = new Set([501, 505]);

/** The error that a response stands for, or null for a 2xx whose content is of the kind that was asked for. */
export function classifyResponse(response: ResponseFacts, now: Date): SheafError | null {
  const { status } = response;
  if (status >= 200 && status < 300) return checkContent(response);
  const facts = factsOf(response);
  const message = describe(response, `answered ${status}`);
  if (status >= 300 && status < 400) return new PermanentError(redirectMessage(response), { code: 'redirect', facts });
  if (!isRetryable(status)) return new PermanentError(message, { code: `http-${status}`, facts });
  const retryAt = readRetryAfter(response.headers, now);
  return new TransientError(message, { code: `http-${status}`, facts, retryAt });
}

function isRetryable(status: number): boolean {
  if (RETRYABLE_STATUSES.has(status)) return true;
  return status >= 500 && !FINAL_SERVER_STATUSES.has(status);
}

/**
 * A proxy's error page may come with status 200: transient, since the page usually goes away, but never data.
 * A JSON body under a vague content type (`text/plain`, none at all) is taken: reading it will tell.
 */
function checkContent(response: ResponseFacts): SheafError | null {
  const type = response.headers['content-type'] ?? '';
  const first = response.body.trimStart().charAt(0);
  const asksForJson = /\bjson\b/i.test(response.accept ?? 'json');
  const isHtml = /\bhtml\b/i.test(type) || /^\s*<(?:!doctype html|html)\b/i.test(response.body);
  const isJson = /[/+]json\b/i.test(type) ? first !== '<' : first === '{' || first === '[';
  if (!isHtml && (isJson || !asksForJson)) return null;
  const what = `answered ${response.status} with ${type === '' ? 'no content type' : type} instead of what was asked for`;
  const code = asksForJson ? 'not-json' : 'wrong-content';
  return new TransientError(describe(response, what), { code, facts: factsOf(response) });
}

function redirectMessage(response: ResponseFacts): string {
  const location = response.headers['location'];
  const target = location === undefined ? 'without saying where to' : `to ${bodyStart(location)}`;
  return (
    `${redact(response.url)} answered ${response.status}, a redirect ${target}. ` +
    "Redirects are not followed: set the source's base URL to where it is now."
  );
}

function describe(response: ResponseFacts, what: string): string {
  const start = bodyStart(response.body);
  return `${redact(response.url)} ${what}${start === '' ? ' (empty body)' : `: ${start}`}`;
}

function factsOf({ status, url, body }: ResponseFacts) {
  return { status, url: redact(url), bodyStart: bodyStart(body) };
}

/** The beginning of a body, fit for a log line: no control characters, no runs of white space, no secrets. */
export function bodyStart(body: string | Buffer): string {
  const text = typeof body === 'string' ? body : body.toString('utf8', 0, BODY_START_LENGTH * 32);
  const line = text
    .slice(0, BODY_START_LENGTH * 8)
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim();
  return redact(line).slice(0, BODY_START_LENGTH);
}

/** However long a source asks to be left alone, it is asked again after this: a slip there must not stop a run for days. */
const MAX_RETRY_AFTER_MS = 60 * 60 * 1000;

/**
 * Both date forms with a zone that HTTP knows (`Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`).
 * `Date.parse` alone would not do: it finds a date in nearly anything.
 */
const HTTP_DATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*, \d{2}[ -](?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ -]\d{2,4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * When the source may be asked again, from its `Retry-After`: a number of seconds or an HTTP date. Null when there is
 * none, when it makes no sense, or when that time has passed. A date is read against the server's own `Date`, so that
 * clocks that disagree do not lengthen the wait.
 */
function readRetryAfter(headers: Readonly<Record<string, string>>, now: Date): Date | null {
  const value = headers['retry-after']?.trim() ?? '';
  const waitMs = /^\d{1,12}$/.test(value) ? Number(value) * 1000 : httpDateWaitMs(value, headers['date'], now);
  if (waitMs === null || waitMs <= 0) return null;
  return new Date(now.getTime() + Math.min(waitMs, MAX_RETRY_AFTER_MS));
}

function httpDateWaitMs(value: string, serverDate: string | undefined, now: Date): number | null {
  const until = parseHttpDate(value);
  if (until === null) return null;
  const serverNow = parseHttpDate(serverDate?.trim() ?? '') ?? now.getTime();
  return until - serverNow;
}

function parseHttpDate(value: string): number | null {
  const time = HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

/** How a code of a network failure is taken. `says` completes the sentence "<url> failed: …". */
interface FailureKind {
  readonly kind: 'transient' | 'permanent' | 'operator';
  readonly code: string;
  readonly says: string;
}

const refused: FailureKind = { kind: 'transient', code: 'connection-refused', says: 'nothing listens there' };
const dropped: FailureKind = { kind: 'transient', code: 'connection-lost', says: 'the connection was dropped' };
const unreachable: FailureKind = { kind: 'transient', code: 'unreachable', says: 'the host cannot be reached' };
const timedOut: FailureKind = { kind: 'transient', code: 'timeout', says: 'it took too long' };
const truncated: FailureKind = { kind: 'transient', code: 'truncated', says: 'the body was cut short' };
const garbled: FailureKind = { kind: 'transient', code: 'bad-http', says: 'the answer is not valid HTTP' };
const unpacked: FailureKind = { kind: 'transient', code: 'bad-compression', says: 'the body cannot be decompressed' };
const closed: FailureKind = { kind: 'transient', code: 'client-closed', says: 'the HTTP client is closed' };
const tooLarge: FailureKind = {
  kind: 'permanent',
  code: 'body-too-large',
  says: 'the body is larger than is accepted; ask for fewer fields with --select',
};
const oversized: FailureKind = { kind: 'permanent', code: 'headers-too-large', says: 'the headers are too large' };
const untrusted: FailureKind = { kind: 'permanent', code: 'bad-certificate', says: 'its certificate is not trusted' };
const noTls: FailureKind = { kind: 'permanent', code: 'no-tls', says: 'it does not speak TLS; check http or https' };
/** Transient although a mistyped name never comes to exist: a resolver that is restarting says the same. */
const unknownHost: FailureKind = { kind: 'transient', code: 'unknown-host', says: 'the host name is not known' };
const noFiles: FailureKind = {
  kind: 'operator',
  code: 'too-many-open-files',
  says: 'this machine has no file descriptor left; raise `ulimit -n`',
};

const NETWORK_FAILURES: ReadonlyMap<string, FailureKind> = new Map([
  ['ECONNREFUSED', refused],
  ['ECONNRESET', dropped],
  ['ECONNABORTED', dropped],
  ['EPIPE', dropped],
  ['UND_ERR_SOCKET', dropped],
  ['UND_ERR_INFO', dropped],
  ['EHOSTUNREACH', unreachable],
  ['EHOSTDOWN', unreachable],
  ['ENETUNREACH', unreachable],
  ['ENETDOWN', unreachable],
  ['EADDRNOTAVAIL', unreachable],
  ['ETIMEDOUT', timedOut],
  ['UND_ERR_CONNECT_TIMEOUT', timedOut],
  ['UND_ERR_HEADERS_TIMEOUT', timedOut],
  ['UND_ERR_BODY_TIMEOUT', timedOut],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', truncated],
  ['EAI_AGAIN', unknownHost],
  ['ENOTFOUND', unknownHost],
  ['Z_BUF_ERROR', truncated],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', tooLarge],
  ['ERR_BUFFER_TOO_LARGE', tooLarge],
  ['UND_ERR_HEADERS_OVERFLOW', oversized],
  ['HPE_HEADER_OVERFLOW', oversized],
  ['ERR_SSL_WRONG_VERSION_NUMBER', noTls],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', noTls],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', untrusted],
  ['SELF_SIGNED_CERT_IN_CHAIN', untrusted],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', untrusted],
  ['UNABLE_TO_GET_ISSUER_CERT', untrusted],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', untrusted],
  ['ERR_TLS_CERT_ALTNAME_INVALID', untrusted],
  ['HOSTNAME_MISMATCH', untrusted],
  // undici means to give its parser's errors a code (HPE_…) but does not; their name has to do.
  ['HTTPParserError', garbled],
  ['UND_ERR_CLOSED', closed],
  ['UND_ERR_DESTROYED', closed],
  ['EMFILE', noFiles],
  ['ENFILE', noFiles],
]);

/** For codes that come in families: the first prefix that fits. */
const NETWORK_FAILURE_FAMILIES: readonly (readonly [string, FailureKind])[] = [
  ['CERT_', untrusted],
  ['ERR_SSL_', dropped],
  ['EPROTO', dropped],
  ['HPE_', garbled],
  ['Z_', unpacked],
  // Brotli's own codes: ERR__ERROR_FORMAT_…, ERR_BROTLI_….
  ['ERR__ERROR_', unpacked],
  ['ERR_BROTLI', unpacked],
];

/**
 * What a failure to send a request, or to read its response, means. An abort, one of our own errors and anything
 * unknown (a bug, most likely) come back as they are.
 */
export function classifyFailure(error: unknown, url: string): unknown {
  const code = codeOf(error);
  const failure = code === undefined ? undefined : failureKind(code);
  if (code === undefined || failure === undefined) return error;
  const message = `${redact(url)} failed: ${failure.says} (${code})`;
  return errorOf(failure, message, { facts: { url: redact(url), cause: code }, cause: error });
}

function failureKind(code: string): FailureKind | undefined {
  return NETWORK_FAILURES.get(code) ?? NETWORK_FAILURE_FAMILIES.find(([prefix]) => code.startsWith(prefix))?.[1];
}

interface ErrorDetails {
  readonly facts: SheafError['facts'];
  readonly cause: unknown;
}

function errorOf({ kind, code }: FailureKind, message: string, details: ErrorDetails): SheafError {
  if (kind === 'transient') return new TransientError(message, { code, ...details });
  if (kind === 'permanent') return new PermanentError(message, { code, ...details });
  return new OperatorError(message, { code, ...details });
}

/** The first known code (or name) of an error, its causes, or the attempts it sums up (several addresses of one host). */
function codeOf(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > 4) return undefined;
  const { code, name } = error as NodeJS.ErrnoException;
  const known = [code, name].find((each) => typeof each === 'string' && failureKind(each) !== undefined);
  if (known !== undefined) return known;
  const inner = error instanceof AggregateError ? [...error.errors, error.cause] : [error.cause];
  return inner.map((each) => codeOf(each, depth + 1)).find((found) => found !== undefined);
}

/** Codes of the network that say that a store is away, not that a statement was wrong. */
const AWAY: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * SQLSTATEs of a statement that was right and may be sent again: 08 connection exception, 25P03 idle in a transaction
 * for too long, 40001 and 40P01 conflicts with others, 53300 too many connections, 55P03 a lock that was not to be had
 * in time, 57P01 to 57P05 a server that stops, starts or ended the session.
 */
const AGAIN_SQLSTATE = /^(?:08...|25P03|40001|40P01|53300|55P03|57P0[1-5])$/;

/** What node-postgres and ioredis say, without a code, of a connection that is gone. */
const GONE =
  /^Connection terminated|timeout exceeded when trying to connect|not queryable|^Reached the max retries per request limit|^Connection is closed/;

/** True when a store could not be reached, dropped the connection, or was too busy: it may be tried again later. */
export function isStoreTrouble(error: unknown): boolean {
  // Our own errors are about a source, or decided on already; only a stream of records hands on what it met.
  if (error instanceof SheafError) return error.code === 'records-failed' && isStoreTrouble(error.cause);
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && (AWAY.has(code) || AGAIN_SQLSTATE.test(code))) return true;
  if (typeof message === 'string' && GONE.test(message)) return true;
  return error instanceof Error && error.cause !== undefined && isStoreTrouble(error.cause);
}
