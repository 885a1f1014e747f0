import { randomBytes } from 'node:crypto';
import type { Database } from '../db/database.ts';
import { ensureDataset } from '../db/queries/datasets.ts';
import { endRun, insertRun, sealRun } from '../db/queries/runs.ts';
import { insertSlices } from '../db/queries/slices.ts';
import { createStaging } from '../db/queries/staging.ts';
import { datasetName } from '../domain/dataset.ts';
import { toStoredError } from '../domain/errors.ts';
import type { HarvestRequest } from '../domain/harvest-request.ts';
import { newRunId } from '../domain/run.ts';
import { cutIntoSlices } from '../domain/slice.ts';
import type { Span } from '../domain/span.ts';
import type { Queues } from '../queues/queues.ts';
import type { Source, SourceFetch, SourceQuery, Survey } from '../sources/source.ts';
import type { Telemetry } from '../telemetry/events.ts';
import { enqueueSlices } from './enqueue-slices.ts';

/** A source, and the way to reach it. */
export interface ReachableSource {
  readonly source: Source;
  readonly fetch: SourceFetch;
}

export interface PlanContext {
  readonly reach: (source: string) => ReachableSource;
}

export interface ProducerContext extends PlanContext {
  readonly database: Database;
  readonly queues: Queues;
  readonly telemetry: Telemetry;
}

/** What a harvest would do; nothing has been written yet. */
export interface Plan {
  readonly query: SourceQuery;
  readonly survey: Survey;
  readonly slices: readonly Span[];
  /** Pages that the source will be asked for, as far as can be told; null when it does not count. */
  readonly pages: number | null;
  /** Requests that planning itself has sent. */
  readonly requests: number;
}

/**
 * Asks the source what there is, and cuts it into slices. Throws a UsageError for an unknown source, entity or field.
 */
export async function planHarvest({ reach }: PlanContext, request: HarvestRequest): Promise<Plan> {
  const { source, fetch } = reach(request.dataset.source);
  let requests = 0;
  const counted: SourceFetch = async (path, read, options) => {
    const fetched = await fetch(path, read, options);
    requests += fetched.requests;
    return fetched;
  };
  const entity = await source.check(counted, request.dataset.entity, request);
  const { filter, select, maxRecords } = request;
  const query = { entity, selection: { filter, select, maxRecords } };
  const survey = await source.survey(counted, query, request.strategy);
  const width = survey.span.upto - survey.span.after;
  const pages = Math.ceil((survey.expected ?? width) / survey.pageSize);
  const slices = cutIntoSlices(survey.span, pages);
  return { query, survey, slices, pages: survey.expected === null ? null : pages, requests };
}

/**
 * Plans a harvest, writes it into the ledger, seals it and hands its slices to the queue. Returns the run's id. From
 * the seal on the run goes on without this process: what could not be enqueued any more, the reconciler enqueues.
 */
export async function planRun(context: ProducerContext, request: HarvestRequest): Promise<string> {
  const { database, telemetry } = context;
  const plan = await planHarvest(context, request);
  const dataset = datasetName({ source: request.dataset.source, entity: plan.query.entity.name });
  const { survey } = plan;
  await ensureDataset(database, {
    name: dataset,
    source: request.dataset.source,
    entity: plan.query.entity,
    expected: survey.expected,
  });
  const id = newRunId(new Date(), randomBytes(4));
  const { strategy, span, pageSize, expected } = survey;
  await insertRun(database, {
    id,
    dataset,
    request,
    entity: plan.query.entity,
    strategy,
    span,
    pageSize,
    expected,
    planRequests: plan.requests,
  });
  try {
    await createStaging(database, id);
    await insertSlices(database, id, plan.slices);
    await sealRun(database, id);
  } catch (error) {
    const end = { state: 'failed', reason: 'its plan could not be written', error: toStoredError(error) } as const;
    await endRun(database, id, end).catch(() => undefined); // else the reconciler ends it
    throw error;
  }
  telemetry.emit('run.planned', { run: id, dataset, slices: plan.slices.length, expected });
  await enqueueSlices(context, id, 0);
  return id;
}
