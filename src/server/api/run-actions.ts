import { z } from 'zod';
import { reportRun } from '../../db/queries/run-details.ts';
import { resolveRun } from '../../db/queries/runs.ts';
import type { RunRow } from '../../db/schema.ts';
import { datasetName, parseDataset } from '../../domain/dataset.ts';
import type { HarvestRequest } from '../../domain/harvest-request.ts';
import { tidyPaths } from '../../domain/relations.ts';
import { checkRunReference } from '../../domain/run.ts';
import type { RunActions, ServerContext } from '../server-context.ts';
import { type ApiScope, operation } from './operation.ts';
import { report, type StartRequest, startedRun, startRequest } from './run-schemas.ts';
import { runParameter } from './runs.ts';
import { startOnce } from './start-once.ts';

const startHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .max(255)
    .regex(/^[\x20-\x7e]+$/, 'must be printable ASCII')
    .optional()
    .meta({ description: 'Any text that is new for each run to start, such as a UUID.' }),
});

/** Starts and steers runs. */
export function registerRunActions(app: ApiScope, context: ServerContext): void {
  app.post(
    '/runs',
    {
      schema: operation({
        operationId: 'startRun',
        summary: 'Start a run',
        description: `Plans a harvest of one dataset and hands it to the fleet. It goes on without whoever started it.

A request with an \`Idempotency-Key\` may be repeated for 24 hours, with the same body: it starts one run, and each repetition gets the same answer.
While the first is being carried out, others get 409; a key that was given before with another body gets 422.`,
        tags: ['runs'],
        headers: startHeaders,
        body: startRequest,
        response: { 201: startedRun },
        problems: [400, 409, 413, 415, 422, 502, 504],
      }),
    },
    async ({ body, actor, headers }, reply) => {
      const request = toRequest(body, context.out);
      const key = headers['idempotency-key'];
      const start = () => context.runs.start(request, actor);
      const run = key === undefined ? await start() : await startOnce(context, { key, actor, request });
      reply.code(201).header('location', `/api/runs/${run}`);
      return { run, dataset: datasetName(request.dataset) };
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
  const expand = asked.expand === null ? null : tidyPaths(asked.expand);
  return { ...asked, expand, dataset: parseDataset(dataset), out };
}
