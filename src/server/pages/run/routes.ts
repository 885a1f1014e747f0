import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { getRun } from '../../../db/queries/runs.ts';
import { UsageError } from '../../../domain/errors.ts';
import { hasEnded } from '../../../domain/run.ts';
import type { ServerContext } from '../../server-context.ts';
import { type Message, sendPage } from '../layout.ts';
import type { Live } from '../live/watches.ts';
import { DONE_TEXTS, runActions } from './actions.ts';
import { gatherDetails, gatherFigures } from './gather.ts';
import { createRunLook } from './look.ts';
import { renderRun, renderRunHeading } from './view.ts';

interface OfRun {
  readonly Params: { readonly run: string };
  readonly Querystring: { readonly done?: string };
}

function doneMessage(done: unknown): Message | undefined {
  const action = doneActions.find((each) => each === done);
  return action === undefined ? undefined : { kind: 'done', text: DONE_TEXTS[action] };
}

const doneActions = ['started', ...runActions] as const;

/** The page of a run, and what its buttons post to. */
export function registerRun(app: FastifyInstance, context: ServerContext, { pace, watches }: Live): void {
  const { database } = context;

  const show = async (request: FastifyRequest, reply: FastifyReply, id: string, message: Message | undefined) => {
    const figures = await gatherFigures(database, id, pace);
    const view = { ...figures, ...(await gatherDetails(database, figures)), now: new Date() };
    return sendPage(request, reply, {
      title: `Run ${id}`,
      heading: renderRunHeading(figures),
      content: renderRun(view, request.actor.role === 'operator'),
      events: hasEnded(figures.run.state) ? undefined : `/runs/${id}/events`,
      message,
    });
  };

  app.get<OfRun>('/runs/:run', (request, reply) => {
    return show(request, reply, request.params.run, doneMessage(request.query.done));
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
