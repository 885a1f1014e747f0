import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify';
import { z } from 'zod';
import { isStoreTrouble } from '../domain/classify.ts';
import {
  type ErrorFacts,
  GateClosedError,
  OperatorError,
  PermanentError,
  SheafError,
  TransientError,
  UsageError,
} from '../domain/errors.ts';

/** An answer that says what went wrong (RFC 9457). */
export const problem = z
  .object({
    type: z.string().meta({ description: 'Names the kind of problem; always the same for a code.' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: z.string().meta({ description: 'Stable; docs/errors.md lists them all.' }),
    detail: z.string().meta({ description: 'What happened, where, and what to do.' }),
    instance: z.string().optional().meta({ description: 'The path that was asked for.' }),
    errors: z
      .array(
        z.object({
          in: z.enum(['body', 'query', 'path', 'header']),
          path: z.string().meta({ description: 'JSON pointer to the field within it.' }),
          message: z.string(),
        }),
      )
      .optional()
      .meta({ description: 'What was wrong with each field, where that is what was wrong.' }),
  })
  .meta({
    id: 'Problem',
    examples: [
      {
        type: 'urn:sheaf:problem:unknown-run',
        title: 'Unknown run',
        status: 404,
        code: 'unknown-run',
        detail: 'There is no run 20261121-153012-x7k2.',
        instance: '/api/runs/20261121-153012-x7k2',
      },
    ],
  });
export type Problem = z.infer<typeof problem>;

/** How long a client should wait that met a store which is away, in seconds. */
const STORE_RETRY_SECONDS = 5;
/** A statement that PostgreSQL ended, most often because it took longer than its `statement_timeout`. */
const QUERY_CANCELLED = '57014';

/** What PostgreSQL says of U+0000, which its texts cannot hold. */
const NOT_TEXT = '22021';

interface RequestErrorOptions {
  readonly status: number;
  readonly code: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly facts?: ErrorFacts;
  readonly cause?: unknown;
}

/** What only makes sense to whoever speaks HTTP; everything else that goes wrong is one of the domain's errors. */
export class RequestError extends SheafError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(message: string, options: RequestErrorOptions) {
    super(message, options);
    this.status = options.status;
    this.headers = options.headers ?? {};
  }
}

/** A problem, and the headers that go with it. */
export interface ProblemAnswer {
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
}

/** Turns anything thrown into what a client may know of it: of what was not foreseen, nothing. */
export function toProblem(error: unknown): ProblemAnswer {
  if (error instanceof SheafError && !isStoreTrouble(error)) return ofSheafError(error);
  if (isStoreTrouble(error)) return storeAway();
  if (sqlState(error) === QUERY_CANCELLED) return queryTooSlow();
  if (sqlState(error) === NOT_TEXT) return answer(400, 'malformed-request', 'The request must not contain U+0000.');
  const { validation, validationContext } = error as FastifyError;
  if (validation !== undefined) return invalid(validation, validationContext);
  return ofStatus((error as FastifyError).statusCode ?? 500, error);
}

/** Answers with the problem that an error is. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const { problem, headers } = toProblem(error);
  const instance = request.url.split('?', 1)[0] ?? '';
  return reply
    .code(problem.status)
    .headers(headers)
    .type('application/problem+json')
    .send(JSON.stringify({ ...problem, instance }));
}

function ofSheafError(error: SheafError): ProblemAnswer {
  const { code, message } = error;
  if (error instanceof RequestError) return answer(error.status, code, message, error.headers);
  if (error instanceof UsageError) return answer(usageStatus(code), code, message);
  if (error instanceof GateClosedError) return answer(503, code, message, retryAfter(error.waitMs / 1_000));
  if (error instanceof OperatorError) return answer(503, code, message);
  if (error instanceof TransientError || error instanceof PermanentError) {
    return answer(code === 'timeout' ? 504 : 502, code, message); // what the source answered, or did not
  }
  return answer(503, code, message); // this machine: a disk that is full, a folder that may not be written
}

/** 404 for what the path names, 409 for what makes no sense as things stand, 400 for everything else. */
function usageStatus(code: string): number {
  if (/^unknown-(?:run|dataset|record|reject|export|schedule)$|^export-gone$/.test(code)) return 404;
  return /^cannot-|^other-source$|^schedule-exists$/.test(code) ? 409 : 400;
}

function storeAway(): ProblemAnswer {
  const code = 'store-away';
  const detail = 'The database or the queue cannot be reached at the moment. Try again.';
  return answer(503, code, detail, retryAfter(STORE_RETRY_SECONDS));
}

function queryTooSlow(): ProblemAnswer {
  const code = 'query-too-slow';
  return answer(503, code, 'The database took too long to find this. Ask for less: narrow the filters.');
}

function invalid(
  issues: readonly FastifySchemaValidationError[],
  context: FastifyError['validationContext'],
): ProblemAnswer {
  const place = PLACES[context ?? 'body'] ?? 'body';
  const errors = issues.map(({ instancePath, message }) => {
    return { in: place, path: instancePath === '/' ? '' : instancePath, message: message ?? 'is not valid' };
  });
  const code = 'invalid-request';
  const first = errors[0];
  const where = first?.path ? `${first.path.slice(1)}: ` : '';
  const detail = `The ${place} of the request does not fit. ${where}${first?.message ?? 'It is not valid'}.`;
  const { problem, headers } = answer(400, code, detail);
  return { problem: { ...problem, errors }, headers };
}

const PLACES: Readonly<Record<string, NonNullable<Problem['errors']>[number]['in']>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'header',
};

/** Fastify's own errors; their messages are about the request. */
function ofStatus(status: number, error: unknown): ProblemAnswer {
  if (status < 400 || status >= 500) {
    const code = 'unexpected';
    return answer(500, code, 'Something went wrong that Sheaf did not foresee. Its log says more.');
  }
  const code = status === 413 ? 'request-too-large' : status === 415 ? 'unsupported-media-type' : 'malformed-request';
  return answer(status, code, `${(error as Error).message}.`.replace(/\.\.$/, '.'));
}

function answer(status: number, code: string, detail: string, headers: ProblemAnswer['headers'] = {}): ProblemAnswer {
  const words = code.replaceAll('-', ' ');
  const title = `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
  return { problem: { type: `urn:sheaf:problem:${code}`, title, status, code, detail }, headers };
}

/** `Retry-After` counts whole seconds. */
export function retryAfter(seconds: number): Readonly<Record<string, string>> {
  return { 'retry-after': String(Math.max(1, Math.ceil(seconds))) };
}

/** The SQLSTATE of an error of PostgreSQL's, which drizzle wraps. */
function sqlState(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code;
  return cause === undefined ? undefined : sqlState(cause);
}

/** What a status is called, e.g. `Not Found`. */
export function statusName(status: number): string {
  return STATUS_CODES[status] ?? 'Error';
}
