import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { html } from 'ghtml';
import { isStoreTrouble } from '../../domain/classify.ts';
import { OperatorError, toStoredError, UsageError } from '../../domain/errors.ts';
import type { Telemetry } from '../../telemetry/events.ts';
import { RequestError, toProblem } from '../problem.ts';
import { sendPage } from './layout.ts';

interface Failure {
  readonly status: number;
  readonly title: string;
  readonly text: string;
}

/** Shows what went wrong as a page that says what to do. */
export function registerFailures(app: FastifyInstance, telemetry: Telemetry): void {
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const failure = failureOf(error);
    const path = request.routeOptions.url ?? 'unknown';
    if (failure.status >= 500 && !(error instanceof RequestError))
      telemetry.emit('server.failed', { method: request.method, path, error: toStoredError(error) });
    return show(request, reply, failure);
  });
  app.setNotFoundHandler(async (request, reply) => show(request, reply, NOT_FOUND));
}

const NOT_FOUND: Failure = { status: 404, title: 'Not found', text: 'There is no page at this address.' };

function failureOf(error: FastifyError): Failure {
  if (error instanceof UsageError) {
    const status = error.code.startsWith('unknown-') ? 404 : 409;
    return { status, title: status === 404 ? 'Not found' : 'That cannot be done', text: error.message };
  }
  if (isStoreTrouble(error) || (error instanceof OperatorError && error.code === 'database-down')) {
    const text =
      'PostgreSQL does not answer. Harvests wait for it and go on by themselves; load this page again in a moment. `sheaf doctor` tells more.';
    return { status: 503, title: 'The database is away', text };
  }
  if (error instanceof OperatorError) return { status: 500, title: 'Something must be put right', text: error.message };
  const { code, status, title, detail } = toProblem(error).problem;
  if (status < 500) return { status, title: 'That was not understood', text: detail };
  if (code !== 'unexpected') return { status, title, text: detail };
  return {
    status: 500,
    title: 'Something went wrong',
    text: 'This was not foreseen. The log of the server tells more.',
  };
}

function show(request: FastifyRequest, reply: FastifyReply, { status, title, text }: Failure): FastifyReply {
  const content = html`<p class="lead">${text}</p><p><a href="/">All runs</a></p>`;
  if (status === 503) reply.header('retry-after', '5');
  return sendPage(request, reply.code(status), { title, content });
}
