import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { getSchedule, listSchedules } from '../../../db/queries/schedules.ts';
import { UsageError } from '../../../domain/errors.ts';
import { reportSchedules } from '../../../producer/report-schedules.ts';
import type { ServerContext } from '../../server-context.ts';
import { type Message, sendPage } from '../layout.ts';
import { type FormErrors, fieldOf, readForm, type ScheduleForm, toSchedule } from './schedule-form.ts';
import { renderSchedules, scheduleActions } from './view.ts';

/** Firings that the page shows of each schedule. */
const FIRINGS = 5;

interface Shown {
  readonly message?: Message | undefined;
  readonly form?: ScheduleForm;
  readonly errors?: FormErrors;
}

interface OfSchedule {
  readonly Params: { readonly schedule: string };
}

const DONE_TEXTS = {
  add: 'is added.',
  run: 'is fired: a worker starts its runs.',
  pause: 'is paused.',
  resume: 'goes on.',
  remove: 'is removed. Runs that it has started stay.',
} as const;

/** The page of schedules, what its form posts to, and its buttons. */
export function registerSchedules(app: FastifyInstance, context: ServerContext): void {
  const { database, schedules } = context;

  const show = async (request: FastifyRequest, reply: FastifyReply, { message, form, errors = {} }: Shown) => {
    const reports = await reportSchedules(database, await listSchedules(database), { times: 3, firings: FIRINGS });
    const canSteer = request.actor.role === 'operator';
    const content = renderSchedules({ reports, form, errors, canSteer, now: new Date() });
    return sendPage(request, reply, { title: 'Schedules', content, message });
  };

  app.get<{ Querystring: Readonly<Record<string, unknown>> }>('/schedules', (request, reply) => {
    return show(request, reply, { message: doneMessage(request.query) });
  });

  app.post('/schedules', async (request, reply) => {
    const form = readForm((request.body ?? {}) as Readonly<Record<string, unknown>>);
    const { schedule, errors } = toSchedule(form, context.out);
    if (schedule === undefined) return show(request, reply.code(400), { form, errors, message: NOT_ADDED });
    try {
      const { name } = await schedules.add(schedule, request.actor);
      return reply.redirect(`/schedules?done=add&schedule=${name}`, 303);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const field = fieldOf(error);
      if (field === undefined)
        return show(request, reply.code(400), { form, message: { kind: 'problem', text: error.message } });
      return show(request, reply.code(400), { form, errors: { [field]: error.message }, message: NOT_ADDED });
    }
  });

  for (const action of scheduleActions) {
    app.post<OfSchedule>(`/schedules/:schedule/${action}`, async (request, reply) => {
      const schedule = await getSchedule(database, request.params.schedule);
      try {
        await schedules[action](schedule, request.actor);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        return show(request, reply.code(409), { message: { kind: 'problem', text: error.message } });
      }
      return reply.redirect(`/schedules?done=${action}&schedule=${schedule.name}`, 303);
    });
  }
}

const NOT_ADDED: Message = { kind: 'problem', text: 'The schedule is not added yet: see what is said in the form.' };

function doneMessage({ done, schedule }: Readonly<Record<string, unknown>>): Message | undefined {
  const action = (Object.keys(DONE_TEXTS) as (keyof typeof DONE_TEXTS)[]).find((each) => each === done);
  if (action === undefined || typeof schedule !== 'string' || !/^[a-z0-9-]{1,63}$/.test(schedule)) return undefined;
  return { kind: 'done', text: `Schedule ${schedule} ${DONE_TEXTS[action]}` };
}
