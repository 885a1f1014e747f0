import { reportRun } from '../../db/queries/run-details.ts';
import { resolveRun } from '../../db/queries/runs.ts';
import type { RunRow } from '../../db/schema.ts';
import { parseDataset } from '../../domain/dataset.ts';
import type { HarvestRequest } from '../../domain/harvest-request.ts';
import { checkRunReference } from '../../domain/run.ts';
import type { RunActions, ServerContext } from '../server-context.ts';
import { type ApiScope, operation } from './operation.ts';
import { report, type StartRequest, startedRun, startRequest } from './run-schemas.ts';
import { runParameter } from './runs.ts';

/** Starts and steers runs. */
export function registerRunActions(app: ApiScope, context: ServerContext): void {
  app.post(
    '/runs',
    {
      schema: operation({
        operationId: 'startRun',
        summary: 'Start a run',
        description: 'Plans a harvest of one dataset and hands it to the fleet. It goes on without whoever started it.',
        tags: ['runs'],
        body: startRequest,
        response: { 201: startedRun },
        problems: [400, 413, 415, 502, 504],
      }),
    },
    async ({ body, actor }, reply) => {
      const run = await context.runs.start(toRequest(body, context.out), actor);
      reply.code(201).header('location', `/api/runs/${run}`);
      return { run, dataset: body.dataset };
    },
  );

  for (const action of STEERING) addSteering(app, context, action);
}

interface Steering {
  readonly name: Exclude<keyof RunActions, 'start'>;
  readonly summary: string;
  readonly description: string;
}

const STEERING: readonly Steering[] = [
  {
    name: 'cancel',
    summary: 'Cancel a run',
    description: 'Ends a run that has not ended. Nothing of it is published; what it had staged is dropped.',
  },
  {
    name: 'pause',
    summary: 'Pause a run',
    description: 'Stops a run that fetches, within a page wherever it is worked. It keeps what it has.',
  },
  {
    name: 'resume',
    summary: 'Resume a run',
    description: 'Sets a paused, interrupted, failed or partial run going again; only what is missing is fetched.',
  },
  {
    name: 'retry',
    summary: 'Retry a run',
    description: 'Repairs a run that ended failed or partial: its failed slices are fetched again.',
  },
];

function addSteering(app: ApiScope, { database, runs }: ServerContext, action: Steering): void {
  const { name, summary, description } = action;
  app.post(
    `/runs/:run/${name}`,
    {
      schema: operation({
        operationId: `${name}Run`,
        summary,
        description: `${description} Answers with the report of the run as it then stands.`,
        tags: ['runs'],
        params: runParameter,
        response: { 200: report },
        problems: [400, 404, 409, 502, 504],
      }),
    },
    async ({ params, actor }) => {
      const run: RunRow = await resolveRun(database, checkRunReference(params.run));
      await runs[name](run, actor);
      const { exports, ...rest } = await reportRun(database, run.id);
      return { ...rest, exports: [...exports] };
    },
  );
}

function toRequest({ dataset, ...asked }: StartRequest, out: string): HarvestRequest {
  return { ...asked, dataset: parseDataset(dataset), out };
}
