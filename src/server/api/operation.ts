import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { problem, statusName } from '../problem.ts';

/** Where routes of the API are registered: their types come from their schemas. */
export type ApiScope = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export const tags = [
  { name: 'runs', description: 'Harvests: start them, watch them, steer them, fetch their files.' },
  { name: 'datasets', description: 'What has been harvested: the current records, and what changed.' },
  { name: 'schedules', description: 'What is harvested at set times, and what came of it.' },
  { name: 'rejects', description: 'Records that could not be taken, each with its reason.' },
  { name: 'fleet', description: 'Workers, and the gates that let requests to sources through.' },
] as const satisfies readonly { name: string; description: string }[];

interface OperationFacts {
  /** Unique in the API; clients are generated with it as the name of a function. */
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  /** What is answered when all is well. */
  readonly response: Readonly<Record<number, unknown>>;
  /** The problems that it answers with, besides those that any operation may answer with. */
  readonly problems: readonly number[];
}

/** Nobody signed in, not allowed, not foreseen, a store that is away. */
const ANY_OPERATION = [401, 403, 500, 503];

/** The schema of a route, with the problems that it may answer with: routes throw these, and never return one. */
export function operation<const Facts extends OperationFacts>(facts: Facts): Omit<Facts, 'problems'> {
  const { problems, response, ...rest } = facts;
  const statuses = [...new Set([...problems, ...ANY_OPERATION])];
  const refusals = Object.fromEntries(statuses.map((status) => [status, problemResponse(status)]));
  return { ...rest, response: { ...response, ...refusals } } as unknown as Omit<Facts, 'problems'>;
}

function problemResponse(status: number) {
  return { description: statusName(status), content: { 'application/problem+json': { schema: problem } } };
}

/** What a read answers when the client has it already. */
export const notModified = z.undefined().meta({ description: 'Not Modified: the ETag in If-None-Match still holds.' });

/** A time as the API writes it: ISO 8601 in UTC. */
export const moment = z.iso.datetime();

/** Text that a query may hold: PostgreSQL's text cannot hold U+0000. */
export const plainText = z
  .string()
  .min(1)
  .max(1_000)
  .regex(/^[^\0]*$/, 'must not contain U+0000');

/** How many items a page holds at most. */
export function pageLimit(fallback: number, most = 1_000) {
  return z.coerce
    .number()
    .int()
    .min(1)
    .max(most)
    .default(fallback)
    .meta({ description: 'How many items the page holds at most.' });
}

/** Where a page begins: `next` of the page before. */
export const cursorParameter = z
  .string()
  .max(2_000)
  .optional()
  .meta({ description: 'Where the page begins: `next` of the page before. Left out: at the beginning.' });

/** The end of a page's answer. */
export const nextCursor = z
  .string()
  .nullable()
  .meta({ description: 'Give it as `cursor` to get the next page; null when this is the last one.' });
