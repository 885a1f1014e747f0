import { createBullBoard } from '@bull-board/api';
import { FastifyAdapter } from '@bull-board/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { writeAudit } from '../db/queries/audit.ts';
import { allowInlineStyles } from './security/headers.ts';
import type { ServerContext } from './server-context.ts';

const PREFIX = '/board';
/** Tells Bull Board's handlers who asks: they see nothing of a request but its headers. Set anew for each request. */
const ROLE_HEADER = 'sheaf-role';

/** Bull Board, below `/board`: every queue, its jobs, and for operators what can be done to them. */
export async function registerBoard(app: FastifyInstance, context: ServerContext): Promise<void> {
  const adapter = new FastifyAdapter();
  createBullBoard({ queues: await context.boards(), serverAdapter: adapter, options: { uiConfig, handlerHooks } });
  adapter.setBasePath(PREFIX);
  allowInlineStyles(app);
  app.addHook('preHandler', async (request) => {
    request.headers[ROLE_HEADER] = request.actor.role;
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const isChange = request.method !== 'GET' && request.method !== 'HEAD';
    if (isChange && request.actor.name !== 'anyone') await noteChange(context, request, reply);
    return isPage(reply) ? withoutForeignFonts(String(payload)) : payload;
  });
  await app.register(adapter.registerPlugin());
}

const uiConfig = {
  boardTitle: 'Queues · Sheaf',
  miscLinks: [{ text: 'Runs', url: '/' }],
  hideDocsLink: true,
};

type Board = Parameters<typeof createBullBoard>[0];
type Hooks = NonNullable<NonNullable<Board['options']>['handlerHooks']>;

/** What a viewer is shown has no buttons; that a viewer may not change anything is held by the server before this, too. */
const handlerHooks: Hooks = {
  before: async ({ method, request }) => {
    if (method === 'get' || request.headers[ROLE_HEADER] === 'operator') return;
    return { allow: false, status: 403, message: 'Viewers may not change queues.' };
  },
  after: async ({ request }, result) => {
    if (request.headers[ROLE_HEADER] === 'operator' || !hasQueues(result.body)) return result;
    const queues = result.body.queues.map((queue) => ({ ...queue, readOnlyMode: true, allowRetries: false }));
    return { ...result, body: { ...result.body, queues } };
  },
};

function hasQueues(body: object | string): body is { readonly queues: readonly object[] } {
  return typeof body === 'object' && 'queues' in body && Array.isArray(body.queues);
}

/** Writes down who changed a queue or a job by hand. The last word of the address says what was done. */
async function noteChange({ database }: ServerContext, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { queueName = 'all', jobId, schedulerId, queueStatus } = request.params as Readonly<Record<string, string>>;
  const words = (request.routeOptions.url ?? '').split('/').filter((word) => word !== '' && !word.startsWith(':'));
  const details = { job: jobId ?? null, scheduler: schedulerId ?? null, jobs: queueStatus ?? null };
  const status = reply.statusCode;
  await writeAudit(database, {
    actor: request.actor,
    action: words.at(-1) ?? 'change',
    target: { kind: 'queue', id: queueName },
    outcome: status < 400 ? 'done' : status < 500 ? 'refused' : 'failed',
    details,
  });
}

function isPage(reply: FastifyReply): boolean {
  return String(reply.getHeader('content-type')).startsWith('text/html');
}

/** Bull Board asks Google for its fonts: nobody's address goes there, and the machine's own do as well. */
function withoutForeignFonts(page: string): string {
  return page.replace(/<link href="https:\/\/fonts\.googleapis\.com[^>]*>/, '');
}
