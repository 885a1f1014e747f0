import type { Socket } from 'node:net';
import type { Telemetry } from '../../telemetry/events.ts';
import { RequestError, statusName, toProblem } from '../problem.ts';
import { HEADERS } from './unroutable.ts';

/** An error of Node's parser of HTTP, or of its clocks. */
type ParserError = Pick<NodeJS.ErrnoException, 'code'>;

/**
 * Answers what Node's parser of HTTP has refused, on the bare connection, and closes it: there is no request that hooks or
 * routes could be called with.
 */
export function answerUnreadable(telemetry: Telemetry) {
  return (error: ParserError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    const { problem } = toProblem(explain(error.code));
    if (socket.writable) {
      const body = JSON.stringify(problem);
      const headers = {
        ...HEADERS,
        'content-type': 'application/problem+json',
        'content-length': String(Buffer.byteLength(body)),
        connection: 'close',
      };
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      const start = `HTTP/1.1 ${problem.status} ${statusName(problem.status)}`;
      socket.write([start, ...lines, '', body].join('\r\n'));
    }
    socket.destroy();
    const facts = { method: 'unknown', route: 'unknown', durationMs: 0, actor: null };
    telemetry.emit('http.answered', { ...facts, status: problem.status });
  };
}

function explain(code: string | undefined): RequestError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new RequestError('The request did not arrive whole in time.', { status: 408, code: 'request-timeout' });
  if (code === 'HPE_HEADER_OVERFLOW')
    return new RequestError('The address and the headers of the request are larger than 16 KiB together.', {
      status: 431,
      code: 'request-headers-too-large',
    });
  if (code === 'HPE_INVALID_URL')
    return new RequestError(
      'The address holds a character that addresses cannot hold as it is. Percent-encode it in UTF-8: ø is %C3%B8, a space %20.',
      { status: 400, code: 'malformed-request' },
    );
  return new RequestError('What came is not a request of HTTP/1.1.', { status: 400, code: 'malformed-request' });
}
