import { describe, expect, it } from 'vitest';
import { bodyStart, classifyFailure, classifyResponse, type ResponseFacts } from '../../src/domain/classify.ts';
import { OperatorError, PermanentError, TransientError } from '../../src/domain/errors.ts';

const now = new Date('2026-01-01T00:00:00Z');
const url = 'https://reader:secret@oda.ft.dk/api/Sag?token=abc';

function classify(response: Partial<ResponseFacts>) {
  return classifyResponse(
    { status: 200, headers: { 'content-type': 'application/json' }, body: '{}', url, ...response },
    now,
  );
}

function retryAt(headers: Record<string, string>): Date | null | undefined {
  const error = classify({ status: 429, headers });
  return error instanceof TransientError ? error.retryAt : undefined;
}

describe('classifyResponse', () => {
  it.each([408, 425, 429, 500, 502, 503, 504, 520])('takes %i for transient', (status) => {
    expect(classify({ status })).toBeInstanceOf(TransientError);
    expect(classify({ status })?.code).toBe(`http-${status}`);
  });

  it.each([400, 401, 403, 404, 410, 422, 501, 505])('takes %i for permanent', (status) => {
    expect(classify({ status })).toBeInstanceOf(PermanentError);
  });

  it('takes a redirect for permanent, and says where it pointed without its credentials', () => {
    const error = classify({ status: 302, headers: { location: 'https://me:pw@elsewhere.example/api/' } });
    expect(error).toBeInstanceOf(PermanentError);
    expect(error?.message).toContain('https://***@elsewhere.example/api/');
    expect(classify({ status: 301, headers: {} })?.message).toContain('without saying where to');
  });

  it('tells the status, the URL and the beginning of the body, with neither secrets nor control characters', () => {
    const error = classify({ status: 500, body: `<h1>Oops\u0000\r\n\u001b[31m</h1>${'x'.repeat(500)}` });
    expect(error?.message).toContain('https://***@oda.ft.dk/api/Sag?token=*** answered 500: <h1>Oops [31m</h1>xxx');
    expect(error?.facts).toMatchObject({ status: 500, url: 'https://***@oda.ft.dk/api/Sag?token=***' });
    expect(String(error?.facts['bodyStart'])).toHaveLength(120);
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  it('says that a body is empty', () => {
    expect(classify({ status: 400, body: '' })?.message).toContain('answered 400 (empty body)');
  });

  it.each([
    ['JSON', { 'content-type': 'application/json; charset=utf-8' }, '{"value":[]}'],
    ['JSON of a vendor', { 'content-type': 'application/vnd.api+json' }, '{"value":[]}'],
    ['JSON that is called text', { 'content-type': 'text/plain' }, ' \n[1]'],
    ['JSON without a content type', {}, '{"value":[]}'],
    ['JSON of another shape, which the reader has to judge', { 'content-type': 'application/json' }, '"oops"'],
  ])('takes %s', (_what, headers, body) => {
    expect(classify({ headers, body })).toBeNull();
  });

  it.each([
    ['an HTML page', { 'content-type': 'text/html' }, '<!DOCTYPE html><html>'],
    ['an HTML page called JSON', { 'content-type': 'application/json' }, '\n<html><body>'],
    ['JSON called HTML', { 'content-type': 'text/html' }, '{"value":[]}'],
    ['an empty body of no type', {}, ''],
    ['XML', { 'content-type': 'application/atom+xml' }, '<feed/>'],
    ['text', { 'content-type': 'text/plain' }, 'Under maintenance'],
  ])('takes %s with status 200 for a transient fault, where JSON was asked for', (_what, headers, body) => {
    const error = classify({ headers, body });
    expect(error).toBeInstanceOf(TransientError);
    expect(error?.code).toBe('not-json');
  });

  it('takes XML where XML was asked for, but no HTML page', () => {
    const accept = 'application/xml';
    expect(classify({ accept, headers: { 'content-type': 'application/xml' }, body: '<edmx:Edmx/>' })).toBeNull();
    expect(classify({ accept, headers: { 'content-type': 'text/html' }, body: '<html>' })?.code).toBe('wrong-content');
  });
});

describe('Retry-After', () => {
  it.each([
    ['seconds', { 'retry-after': '120' }, '2026-01-01T00:02:00.000Z'],
    ['a date', { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, '2026-01-01T00:00:30.000Z'],
    ['a date of the old form', { 'retry-after': 'Thursday, 01-Jan-26 00:00:30 GMT' }, '2026-01-01T00:00:30.000Z'],
    ['a day, which is cut to an hour', { 'retry-after': '86400' }, '2026-01-01T01:00:00.000Z'],
    [
      'a date far ahead, which is cut to an hour',
      { 'retry-after': 'Fri, 01 Jan 2038 00:00:00 GMT' },
      '2026-01-01T01:00:00.000Z',
    ],
  ])('is read as %s', (_what, headers, expected) => {
    expect(retryAt(headers)?.toISOString()).toBe(expected);
  });

  it("reads a date against the server's own clock", () => {
    const headers = { 'retry-after': 'Thu, 01 Jan 2026 05:00:30 GMT', date: 'Thu, 01 Jan 2026 05:00:00 GMT' };
    expect(retryAt(headers)?.toISOString()).toBe('2026-01-01T00:00:30.000Z');
  });

  it.each([
    '',
    '-5',
    '0',
    '1.5',
    'soon',
    'apples 5',
    '2026-01-01',
    'Wed, 01 Jan 2020 00:00:00 GMT',
    'Thu, 99 Jan 2026 00:00:30 GMT',
    '9'.repeat(400),
  ])('is ignored when it is "%s"', (value) => {
    expect(retryAt({ 'retry-after': value })).toBeNull();
  });

  it('is asked of transient errors only', () => {
    expect(classify({ status: 404, headers: { 'retry-after': '120' } })).not.toHaveProperty('retryAt');
    expect(retryAt({})).toBeNull();
  });
});

describe('classifyFailure', () => {
  const failure = (code: string, cause?: unknown) => Object.assign(new Error('it broke', { cause }), { code });

  it.each([
    ['ECONNREFUSED', 'connection-refused'],
    ['ECONNRESET', 'connection-lost'],
    ['UND_ERR_SOCKET', 'connection-lost'],
    ['ETIMEDOUT', 'timeout'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'timeout'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'truncated'],
    ['Z_BUF_ERROR', 'truncated'],
    ['Z_DATA_ERROR', 'bad-compression'],
    ['EAI_AGAIN', 'unknown-host'],
    ['ENOTFOUND', 'unknown-host'],
    ['HPE_INVALID_CONSTANT', 'bad-http'],
    ['UND_ERR_CLOSED', 'client-closed'],
  ])('takes %s for transient', (cause, code) => {
    const error = classifyFailure(failure(cause), url);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ code, facts: { url: 'https://***@oda.ft.dk/api/Sag?token=***', cause } });
  });

  it.each([
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'UND_ERR_RES_EXCEEDED_MAX_SIZE',
    'ERR_BUFFER_TOO_LARGE',
    'ERR_SSL_WRONG_VERSION_NUMBER',
  ])('takes %s for permanent', (code) => {
    expect(classifyFailure(failure(code), url)).toBeInstanceOf(PermanentError);
  });

  it('asks the operator when file descriptors run out', () => {
    expect(classifyFailure(failure('EMFILE'), url)).toBeInstanceOf(OperatorError);
  });

  it('finds the code in the cause, and in the attempts at several addresses', () => {
    expect(classifyFailure(failure('ERR_ELSE', failure('ECONNRESET')), url)).toBeInstanceOf(TransientError);
    const several = new AggregateError([failure('ECONNREFUSED'), failure('ENETUNREACH')]);
    expect(classifyFailure(several, url)).toMatchObject({ code: 'connection-refused' });
  });

  it.each([
    ['an abort', new DOMException('stop', 'AbortError')],
    ['one of our own errors', new PermanentError('no', { code: 'no' })],
    ['a bug', new TypeError('x is not a function')],
    ['a code that nobody knows', failure('ESOMETHING')],
    ['something that is no error', 'oops'],
    ['nothing', undefined],
  ])('gives back %s as it is', (_what, error) => {
    expect(classifyFailure(error, url)).toBe(error);
  });

  it('survives an error that is its own cause', () => {
    const error: Error & { cause?: unknown } = new Error('round');
    error.cause = error;
    expect(classifyFailure(error, url)).toBe(error);
  });
});

describe('bodyStart', () => {
  it('is one short line without secrets', () => {
    expect(bodyStart('  a\n\n\tb\u202e\u0007 ')).toBe('a b');
    expect(bodyStart('see https://u:p@h/?key=1')).toBe('see https://***@h/?key=***');
    expect(bodyStart(' '.repeat(100_000))).toBe('');
  });
});
