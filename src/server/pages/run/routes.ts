import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { getRun, resolveRun } from '../../../db/queries/runs.ts';
import { UsageError } from '../../../domain/errors.ts';
import { hasEnded, type RunState } from '../../../domain/run.ts';
import type { ServerContext } from '../../server-context.ts';
import { type Message, sendPage } from '../layout.ts';
import type { Live } from '../live/watches.ts';
import { DONE_TEXTS, isStillSo, runActions } from './actions.ts';
import { gatherDetails, gatherFigures } from './gather.ts';
import { createRunLook } from './look.ts';
import { renderRun, renderRunHeading } from './view.ts';

interface OfRun {
  readonly Params: { readonly run: string };
  readonly Querystring: { readonly done?: string };
}

/** A message, or the name of what was done. */
type Told = Message | string | undefined;

function doneMessage(done: string | undefined, state: RunState): Message | undefined {
  const action = doneActions.find((each) => each === done);
  return action === undefined || !isStillSo(action, state) ? undefined : { kind: 'done', text: DONE_TEXTS[action] };
}

const doneActions = ['started', ...runActions] as const;

/** The page of a run, and what its buttons post to. */
export function registerRun(app: FastifyInstance, context: ServerContext, { pace, watches }: Live): void {
  const { database } = context;

  const show = async (request: FastifyRequest, reply: FastifyReply, id: string, told: Told) => {
    const figures = await gatherFigures(database, id, pace);
    const view = { ...figures, ...(await gatherDetails(database, figures)), now: new Date() };
    return sendPage(request, reply, {
      title: `Run ${id}`,
      heading: renderRunHeading(figures),
      content: renderRun(view, request.actor.role === 'operator'),
      events: hasEnded(figures.run.state) ? undefined : `/runs/${id}/events`,
      message: typeof told === 'object' ? told : doneMessage(told, figures.run.state),
    });
  };

  app.get('/runs/latest', async (_request, reply) =>
    reply.redirect(`/runs/${(await resolveRun(database, 'latest')).id}`, 303),
  );

  app.get<OfRun>('/runs/:run', (request, reply) => {
    return show(request, reply, request.params.run, request.query.done);
  });

  app.get<OfRun>('/runs/:run/events', { exposeHeadRoute: false }, async (request, reply) => {
    const { id } = await getRun(database, request.params.run);
    watches.join(`/runs/${id}/events`, reply, () => createRunLook(database, id, pace));
  });

  for (const action of runActions) {
    app.post<OfRun>(`/runs/:run/${action}`, async (request, reply) => {
      const { run: id } = request.params;
      const run = await getRun(database, id);
      try {
        await context.runs[action](run, request.actor);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        return show(request, reply.code(409), id, { kind: 'problem', text: error.message });
      }
      return reply.redirect(`/runs/${id}?done=${action}`, 303);
    });
  }
}
