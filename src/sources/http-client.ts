import { isUtf8 } from 'node:buffer';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { type Dispatcher, Pool } from 'undici';
import { PermanentError, TransientError, UsageError } from '../domain/errors.ts';
import { redact } from '../domain/redact.ts';
import { type Answer, AnswerReceiver } from './answer-receiver.ts';

export interface HttpClientOptions {
  /** `http:` or `https:`; its path is kept as a prefix. A user and password become an `Authorization` header. */
  readonly baseUrl: string;
  /** Says who asks, and how to reach them. */
  readonly userAgent: string;
  /** Sockets held open at most; requests beyond that wait for one. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
  /** From sending the request to the response's headers. */
  readonly headersTimeoutMs: number;
  /** From the headers to the last byte of the body, however steadily it trickles. */
  readonly bodyTimeoutMs: number;
  /** Largest body accepted, before and after decompression. */
  readonly maxBodyBytes: number;
}

export interface HttpRequestOptions {
  readonly accept: string;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; repeated headers joined with commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of a successful answer: UTF-8 for sure, without a byte order mark. */
  readonly body: Buffer;
  /** What came over the wire for the body, before decompression. */
  readonly bytes: number;
}

/** Sends GET requests below one base URL. Knows nothing of retries: a failure is thrown as it comes, to be classified. */
export interface HttpClient {
  get(path: string, options: HttpRequestOptions): Promise<HttpResponse>;
  /** The whole URL of a path, without credentials: fit for errors and logs. */
  urlOf(path: string): string;
  /** Lets requests under way finish, then closes all sockets. Safe to call twice. */
  close(): Promise<void>;
}

/** An HTTP/1.1 client with a pool of kept-alive sockets, one request at a time on each. Nothing is sent until `get`. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const base = parseBaseUrl(options.baseUrl);
  const headers = commonHeaders(base, options.userAgent);
  const pool = new Pool(base.origin, {
    connections: options.connections,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: options.connectTimeoutMs },
    headersTimeout: options.headersTimeoutMs,
    bodyTimeout: options.bodyTimeoutMs,
    maxResponseSize: options.maxBodyBytes,
  });
  let closing: Promise<void> | undefined;
  return {
    get: (path, request) => get({ pool, headers, options }, base.pathname + path, request),
    urlOf: (path) => redact(base.origin + base.pathname + path),
    close: () => {
      closing ??= pool.close();
      return closing;
    },
  };
}

function parseBaseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new UsageError(
      `"${redact(text)}" is not a base URL. Write http:// or https://, a host and a path, no query.`,
      {
        code: 'bad-base-url',
        facts: { asked: redact(text) },
      },
    );
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

function commonHeaders(base: URL, userAgent: string): Record<string, string> {
  const headers = { 'user-agent': userAgent, 'accept-encoding': 'gzip, br' };
  if (base.username === '' && base.password === '') return headers;
  const credentials = `${decodeURIComponent(base.username)}:${decodeURIComponent(base.password)}`;
  return { ...headers, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

interface ClientContext {
  readonly pool: Pool;
  readonly headers: Record<string, string>;
  readonly options: HttpClientOptions;
}

async function get(
  context: ClientContext,
  path: string,
  { accept, signal }: HttpRequestOptions,
): Promise<HttpResponse> {
  signal?.throwIfAborted();
  const receiver = new AnswerReceiver(context.options.bodyTimeoutMs);
  const abort = () => receiver.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    context.pool.dispatch({ path, method: 'GET', headers: { ...context.headers, accept } }, receiver);
    const received = await read(await receiver.answer, context.options);
    signal?.throwIfAborted();
    return received;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

async function read(answer: Answer, { maxBodyBytes }: HttpClientOptions): Promise<HttpResponse> {
  const { status } = answer;
  const headers = joinHeaders(answer.headers);
  const raw = answer.body ?? Buffer.alloc(0);
  try {
    const plain = await decompress(raw, headers, maxBodyBytes);
    // Only data has to be exact: an error page is wanted for its first words.
    const body = status < 300 ? requireUtf8(plain, headers) : plain;
    return { status, headers, bytes: raw.byteLength, body };
  } catch (error) {
    // The status says more than a broken error page does.
    if (status >= 400) return { status, headers, bytes: 0, body: Buffer.alloc(0) };
    throw error;
  }
}

function joinHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return joined;
}

const decompressors = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
]);

/** Not undici's interceptor: that is experimental, warns on stderr at every start, and hides the bytes on the wire. */
async function decompress(body: Buffer, headers: Record<string, string>, maxOutputLength: number): Promise<Buffer> {
  const encodings = (headers['content-encoding'] ?? '').toLowerCase().split(',');
  let plain = body;
  for (const encoding of encodings.map((each) => each.trim()).reverse()) {
    if (encoding === '' || encoding === 'identity' || plain.byteLength === 0) continue;
    const run = decompressors.get(encoding);
    if (run === undefined) {
      throw new PermanentError(`The answer is compressed with ${encoding}, which was not asked for`, {
        code: 'unsupported-compression',
        facts: { encoding },
      });
    }
    plain = await run(plain, { maxOutputLength });
  }
  return plain;
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** A byte that is not UTF-8 would become U+FFFD in silence, in a copy that is promised to be byte for byte. */
function requireUtf8(body: Buffer, headers: Record<string, string>): Buffer {
  const charset = /charset\s*=\s*"?([^\s;"]+)/i.exec(headers['content-type'] ?? '')?.[1]?.toLowerCase();
  const isSaid = charset === undefined || /^(?:utf-?8|us-ascii)$/.test(charset);
  if (isSaid && isUtf8(body)) return body.subarray(0, 3).equals(BYTE_ORDER_MARK) ? body.subarray(3) : body;
  const facts = { charset: charset ?? null, bytes: body.byteLength };
  throw new TransientError('The answer is not valid UTF-8', { code: 'bad-encoding', facts });
}
