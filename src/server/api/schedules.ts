import { z } from 'zod';
import { getSchedule, listSchedules } from '../../db/queries/schedules.ts';
import type { ScheduleRow } from '../../db/schema.ts';
import { parseDataset } from '../../domain/dataset.ts';
import { tidyPaths } from '../../domain/relations.ts';
import type { NewSchedule } from '../../domain/schedule.ts';
import { reportSchedule, reportSchedules, type ScheduleReport } from '../../producer/report-schedules.ts';
import type { ServerContext } from '../server-context.ts';
import { type ApiScope, moment, notModified, operation } from './operation.ts';
import { type AddRequest, addRequest, backfillRequest, scheduleParameter, scheduleReport } from './schedule-schemas.ts';

/** Reads about schedules. */
export function registerSchedules(app: ApiScope, { database }: ServerContext): void {
  app.get(
    '/schedules',
    {
      schema: operation({
        operationId: 'listSchedules',
        summary: 'List schedules',
        description: 'All schedules by name, with their next times and the latest firing of each.',
        tags: ['schedules'],
        response: { 200: z.object({ schedules: z.array(scheduleReport) }), 304: notModified },
        problems: [],
      }),
    },
    async () => {
      const reports = await reportSchedules(database, await listSchedules(database), { times: 3, firings: 1 });
      return { schedules: reports.map(toBody) };
    },
  );

  app.get(
    '/schedules/:schedule',
    {
      schema: operation({
        operationId: 'getSchedule',
        summary: 'Show a schedule',
        description: 'A schedule, with its next times and its latest firings.',
        tags: ['schedules'],
        params: scheduleParameter,
        response: { 200: scheduleReport, 304: notModified },
        problems: [404],
      }),
    },
    async ({ params }) => show({ database }, await getSchedule(database, params.schedule)),
  );
}

/** Adds, steers and removes schedules. */
export function registerScheduleActions(app: ApiScope, context: ServerContext): void {
  const { database, schedules } = context;
  app.post(
    '/schedules',
    {
      schema: operation({
        operationId: 'addSchedule',
        summary: 'Add a schedule',
        description: 'Has datasets harvested at set times. What each run will ask for is checked with the source now.',
        tags: ['schedules'],
        body: addRequest,
        response: { 201: scheduleReport },
        problems: [400, 409, 413, 415, 502, 504],
      }),
    },
    async ({ body, actor }, reply) => {
      const added = await schedules.add(toSchedule(body, context.out), actor);
      reply.code(201).header('location', `/api/schedules/${added.name}`);
      return show(context, added);
    },
  );

  app.delete(
    '/schedules/:schedule',
    {
      schema: operation({
        operationId: 'removeSchedule',
        summary: 'Remove a schedule',
        description: 'Removes a schedule with its firings. Runs that it has started go on, and stay.',
        tags: ['schedules'],
        params: scheduleParameter,
        response: { 204: z.undefined().meta({ description: 'It is removed.' }) },
        problems: [404],
      }),
    },
    async ({ params, actor }, reply) => {
      await schedules.remove(await getSchedule(database, params.schedule), actor);
      reply.code(204);
    },
  );

  for (const action of STEERING) addSteering(app, context, action);
  addBackfill(app, context);
}

const STEERING = [
  {
    name: 'run',
    summary: 'Fire a schedule now',
    description: 'Fires a schedule now, paused or not. A worker starts its runs; its overlap policy holds.',
  },
  {
    name: 'pause',
    summary: 'Pause a schedule',
    description: 'What waits to start is left out, and nothing that is due meanwhile is made up for.',
  },
  { name: 'resume', summary: 'Resume a schedule', description: 'Ends the pause of a schedule.' },
] as const;

function addSteering(app: ApiScope, context: ServerContext, action: (typeof STEERING)[number]): void {
  const { name, summary, description } = action;
  app.post(
    `/schedules/:schedule/${name}`,
    {
      schema: operation({
        operationId: `${name}Schedule`,
        summary,
        description: `${description} Answers with the schedule as it then stands.`,
        tags: ['schedules'],
        params: scheduleParameter,
        response: { 200: scheduleReport },
        problems: [404, 409],
      }),
    },
    async ({ params, actor }) => {
      await context.schedules[name](await getSchedule(context.database, params.schedule), actor);
      return show(context, await getSchedule(context.database, params.schedule));
    },
  );
}

function addBackfill(app: ApiScope, { database, schedules }: ServerContext): void {
  app.post(
    '/schedules/:schedule/backfill',
    {
      schema: operation({
        operationId: 'backfillSchedule',
        summary: 'Fill a past span',
        description: `Fires, one after another, what would have been due in a past span; 1,000 times at most.
Pausing the schedule ends it.`,
        tags: ['schedules'],
        params: scheduleParameter,
        body: backfillRequest,
        response: { 200: z.object({ times: z.array(moment).meta({ description: 'The due times.' }) }) },
        problems: [400, 404, 413, 415],
      }),
    },
    async ({ params, body, actor }) => {
      const span = { from: new Date(body.from), to: new Date(body.to), isDryRun: body.dryRun };
      const times = await schedules.backfill(await getSchedule(database, params.schedule), span, actor);
      return { times: times.map((time) => time.toISOString()) };
    },
  );
}

function toSchedule({ datasets, harvest, ...rest }: AddRequest, out: string): NewSchedule {
  const expand = harvest.expand && tidyPaths(harvest.expand);
  const requests = [...new Set(datasets)].map((dataset) => ({
    ...harvest,
    expand,
    dataset: parseDataset(dataset),
    out,
  }));
  return { ...rest, requests };
}

async function show({ database }: Pick<ServerContext, 'database'>, schedule: ScheduleRow) {
  return toBody(await reportSchedule(database, schedule, { times: 3, firings: 20 }));
}

function toBody(report: ScheduleReport): z.infer<typeof scheduleReport> {
  return {
    ...report,
    datasets: [...report.datasets],
    harvest: {
      ...report.harvest,
      select: report.harvest.select && [...report.harvest.select],
      expand: report.harvest.expand && [...report.harvest.expand],
      formats: [...report.harvest.formats],
    },
    createdAt: report.createdAt.toISOString(),
    nextTimes: report.nextTimes.map((time) => time.toISOString()),
    firings: report.firings.map((firing) => ({
      ...firing,
      dueAt: firing.dueAt.toISOString(),
      startAt: firing.startAt.toISOString(),
      settledAt: firing.settledAt?.toISOString() ?? null,
      runs: [...firing.runs],
    })),
  };
}
