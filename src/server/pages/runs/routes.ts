import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { datasetsWithRuns, listRunLines, type RunFilter } from '../../../db/queries/run-lines.ts';
import { UsageError } from '../../../domain/errors.ts';
import { runStates } from '../../../domain/run.ts';
import type { ServerContext } from '../../server-context.ts';
import { type Message, sendPage } from '../layout.ts';
import type { Live } from '../live/watches.ts';
import { readHarvestForm } from './harvest-form.ts';
import { lookAtRuns } from './look.ts';
import { renderRuns } from './view.ts';

const RUNS_ON_A_PAGE = 25;

type Asked = Readonly<Record<string, unknown>>;

/** The list of runs at `/`, and what its form posts to. */
export function registerRuns(app: FastifyInstance, context: ServerContext, { pace, watches }: Live): void {
  const show = async (request: FastifyRequest, reply: FastifyReply, refused?: { form: Asked; message: Message }) => {
    const { filter, page } = readQuery(request.query as Asked);
    const window = { limit: RUNS_ON_A_PAGE + 1, offset: (page - 1) * RUNS_ON_A_PAGE };
    const [found, datasets] = await Promise.all([
      listRunLines(context.database, filter, window),
      datasetsWithRuns(context.database),
    ]);
    const now = new Date();
    const lines = found.slice(0, RUNS_ON_A_PAGE).map((line) => ({ line, progress: pace.measure(line, now.getTime()) }));
    const form = request.actor.role === 'operator' ? (refused?.form ?? {}) : null;
    const content = renderRuns({ lines, filter, page, hasMore: found.length > RUNS_ON_A_PAGE, datasets, form, now });
    return sendPage(request, reply, { title: 'Runs', content, events: '/events', message: refused?.message });
  };

  app.get('/', (request, reply) => show(request, reply));

  app.get('/runs', (_request, reply) => reply.redirect('/', 303));

  app.get('/events', { exposeHeadRoute: false }, (_request, reply) => {
    watches.join('/events', reply, () => () => lookAtRuns(context.database, pace));
  });

  app.post('/runs', async (request, reply) => {
    const form = (request.body ?? {}) as Asked;
    try {
      const run = await context.runs.start(readHarvestForm(form, context.out), request.actor);
      return reply.redirect(`/runs/${run}?done=started`, 303);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return show(request, reply.code(400), { form, message: { kind: 'problem', text: error.message } });
    }
  });
}

function readQuery(query: Asked): { filter: RunFilter; page: number } {
  const state = runStates.find((each) => each === query['state']);
  const dataset = typeof query['dataset'] === 'string' && query['dataset'] !== '' ? query['dataset'] : undefined;
  const page = Number(query['page']);
  return { filter: { dataset, state }, page: Number.isInteger(page) && page > 0 && page < 100_000 ? page : 1 };
}
