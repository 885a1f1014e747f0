import { z } from 'zod';
import { inspectRun, type RunDetails, summariseRun } from '../../db/queries/run-details.ts';
import { type ListedRun, pageOfRuns, pageOfSlices } from '../../db/queries/run-list.ts';
import { resolveRun } from '../../db/queries/runs.ts';
import type { RunRow, SliceRow } from '../../db/schema.ts';
import { checkRunReference } from '../../domain/run.ts';
import type { ServerContext } from '../server-context.ts';
import { fromCursor, toPage } from './cursor.ts';
import { type ApiScope, cursorParameter, notModified, operation, pageLimit, plainText } from './operation.ts';
import { runDetails, runPage, runStateParameter, slicePage, sliceStateParameter } from './run-schemas.ts';

export const runParameter = z.object({
  run: z
    .string()
    .max(40)
    .meta({ description: "The run's id, an end of it that no other run has, or `latest`.", examples: ['latest'] }),
});

/** Reads about runs: the list, one, its slices. */
export function registerRuns(app: ApiScope, { database }: ServerContext): void {
  app.get(
    '/runs',
    {
      schema: operation({
        operationId: 'listRuns',
        summary: 'List runs',
        description: 'Runs with their reports, the newest first, a page at a time.',
        tags: ['runs'],
        querystring: z.strictObject({
          dataset: plainText.optional().meta({ description: 'Only runs of this dataset.', examples: ['oda/Sag'] }),
          state: runStateParameter,
          limit: pageLimit(50, 200),
          cursor: cursorParameter,
        }),
        response: { 200: runPage, 304: notModified },
        problems: [400],
      }),
    },
    async ({ query: { dataset, state, limit, cursor } }) => {
      const after = fromCursor(cursor, z.tuple([z.string().regex(TIMESTAMP), plainText]));
      const rows = await pageOfRuns(database, { dataset, states: state, after, limit: limit + 1 });
      const { items, next } = toPage(rows, limit, ({ position }) => position);
      return { runs: items.map(toSummary), next };
    },
  );

  app.get(
    '/runs/:run',
    {
      schema: operation({
        operationId: 'getRun',
        summary: 'Show a run',
        description: 'The report of a run, ended or not, and how it stands: slices, workers, the gate of its source.',
        tags: ['runs'],
        params: runParameter,
        response: { 200: runDetails, 304: notModified },
        problems: [400, 404],
      }),
    },
    async ({ params }) => {
      const run = await resolveRun(database, checkRunReference(params.run));
      return toDetails(await inspectRun(database, run));
    },
  );

  app.get(
    '/runs/:run/slices',
    {
      schema: operation({
        operationId: 'listSlices',
        summary: "List a run's slices",
        description: 'The slices of a run in the order of their numbers, a page at a time.',
        tags: ['runs'],
        params: runParameter,
        querystring: z.strictObject({ state: sliceStateParameter, limit: pageLimit(100), cursor: cursorParameter }),
        response: { 200: slicePage, 304: notModified },
        problems: [400, 404],
      }),
    },
    async ({ params, query: { state, limit, cursor } }) => {
      const run = await resolveRun(database, checkRunReference(params.run));
      const [after] = fromCursor(cursor, z.tuple([z.int32().min(0)])) ?? [0];
      const rows = await pageOfSlices(database, run.id, { states: state, after, limit: limit + 1 });
      const { items, next } = toPage(rows, limit, ({ number }) => [number]);
      return { slices: items.map(toSlice), next };
    },
  );
}

/** A time as PostgreSQL writes it, to the microsecond. */
const TIMESTAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)?$/;

function toSummary({ run, totals }: ListedRun): z.infer<typeof runPage>['runs'][number] {
  return { ...summariseRun(run, totals), ...timesOf(run) };
}

function timesOf(run: RunRow) {
  return {
    createdAt: run.createdAt.toISOString(),
    finishedAt: run.finishedAt?.toISOString() ?? null,
    generation: run.generation,
  };
}

function toDetails(details: RunDetails): z.infer<typeof runDetails> {
  const { report, run, slices, failures, workers, gate, lastPageAt } = details;
  const { dataset: _dataset, out: _out, select, expand = null, formats, ...request } = run.request;
  return {
    ...report,
    exports: [...report.exports],
    ...timesOf(run),
    sealedAt: run.sealedAt?.toISOString() ?? null,
    strategy: run.strategy,
    window: run.timeWindow,
    ranges: run.ranges === null ? null : [...run.ranges],
    span: run.span,
    pageSize: run.pageSize,
    request: { ...request, select: select && [...select], expand: expand && [...expand], formats: [...formats] },
    proof: run.proof,
    slices,
    failures: [...failures],
    workers: [...workers],
    gate,
    lastPageAt: lastPageAt?.toISOString() ?? null,
  };
}

function toSlice(row: SliceRow): z.infer<typeof slicePage>['slices'][number] {
  const { number, state, span, cursor, attempt, failures, workerId, pages, records, rejects } = row;
  const { requests, retries, bytes, error } = row;
  const at = { updatedAt: row.updatedAt.toISOString(), stagedAt: row.stagedAt?.toISOString() ?? null };
  const counts = { pages, records, rejects, requests, retries, bytes };
  return { slice: number, state, span, cursor, attempt, failures, worker: workerId, ...counts, error, ...at };
}
