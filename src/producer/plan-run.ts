import { randomBytes } from 'node:crypto';
import type { Database } from '../db/database.ts';
import { ensureDataset, findDataset, getDataset } from '../db/queries/datasets.ts';
import { createRelated } from '../db/queries/related.ts';
import { endRun, insertRun, type NewRun, sealRun } from '../db/queries/runs.ts';
import { insertSlices } from '../db/queries/slices.ts';
import { createStaging, stagePlanned } from '../db/queries/staging.ts';
import { datasetName } from '../domain/dataset.ts';
import { toStoredError } from '../domain/errors.ts';
import { type HarvestRequest, kindOf, type Selection, seesAll } from '../domain/harvest-request.ts';
import { redact } from '../domain/redact.ts';
import { type Expansion, relatedEntities } from '../domain/relations.ts';
import { newRunId } from '../domain/run.ts';
import { cutIntoSlices } from '../domain/slice.ts';
import type { Span } from '../domain/span.ts';
import type { Queues } from '../queues/queues.ts';
import type { SourceFetch } from '../sources/source.ts';
import type { Telemetry } from '../telemetry/events.ts';
import { agreeOnFields } from './agree-on-fields.ts';
import { enqueueSlices, handOn } from './enqueue-slices.ts';
import { type ReachableSource, type Surveyed, surveyHarvest } from './survey-harvest.ts';

export interface PlanContext {
  readonly reach: (source: string) => ReachableSource;
  /** Where watermarks are; null for plans that need none. */
  readonly database: Database | null;
}

export interface ProducerContext extends PlanContext {
  readonly database: Database;
  readonly queues: Queues;
  readonly telemetry: Telemetry;
}

/** What a harvest would do; nothing has been written yet. */
export interface Plan extends Surveyed {
  readonly slices: readonly Span[];
  /** Of a repair: the only keys that it covers, in order; null for any other run. */
  readonly ranges: readonly Span[] | null;
  /** Pages that the source will be asked for, as far as can be told; null when it does not count. */
  readonly pages: number | null;
  /** Requests that planning itself has sent. */
  readonly requests: number;
}

/**
 * Asks the source what there is, and cuts it into slices. Throws a UsageError for an unknown source, entity or field.
 */
export async function planHarvest({ reach, database }: PlanContext, request: HarvestRequest): Promise<Plan> {
  const { source, fetch } = reach(request.dataset.source);
  let requests = 0;
  const counted: SourceFetch = async (path, read, options) => {
    const fetched = await fetch(path, read, options);
    requests += fetched.requests;
    return fetched;
  };
  const surveyed = await surveyHarvest({ source, fetch: counted }, database, request);
  const { survey } = surveyed;
  const width = survey.span.upto - survey.span.after;
  const pages = Math.ceil((survey.expected ?? width) / survey.pageSize);
  const slices = cutIntoSlices(survey.span, pages);
  return { ...surveyed, slices, ranges: null, pages: survey.expected === null ? null : pages, requests };
}

/** A name for a run that begins now. */
export function nameRun(): string {
  return newRunId(new Date(), randomBytes(4));
}

/**
 * Plans a harvest, writes it into the ledger, seals it and hands its slices to the queue. Returns the run's id. From
 * the seal on the run goes on without this process: what could not be enqueued any more, the reconciler enqueues.
 * Of any number that plan under the same id, one writes the run; the others fail. A run that is not to go on, because the
 * source's metadata have drifted, has ended as failed when this returns.
 */
export async function planRun(context: ProducerContext, request: HarvestRequest, id = nameRun()): Promise<string> {
  const { telemetry } = context;
  const { source, entity } = request.dataset;
  const attributes = { 'sheaf.run': id, 'sheaf.source': source, 'sheaf.dataset': `${source}/${entity}` };
  return telemetry.within({ run: id }, () =>
    telemetry.span('plan', attributes, () => planWithin(context, request, id)),
  );
}

async function planWithin(context: ProducerContext, request: HarvestRequest, id: string): Promise<string> {
  return carryOut(context, { request, id }, await planHarvest(context, request));
}

interface Planning {
  readonly request: HarvestRequest;
  readonly id: string;
}

/** Writes a plan down, seals it, and hands its slices on. Returns the run's id. */
export async function carryOut(context: ProducerContext, { request, id }: Planning, plan: Plan): Promise<string> {
  const kind = kindOf({ request, timeWindow: plan.query.window ?? null, ranges: plan.ranges });
  const dataset = await ensurePlannedDataset(context, request, plan);
  const sourceUrl = redact(context.reach(request.dataset.source).source.baseUrl);
  const isSealed = await writePlan(context, { id, dataset, request, sourceUrl }, plan);
  if (!isSealed) return id;
  context.telemetry.emit('run.planned', {
    run: id,
    dataset,
    kind,
    slices: plan.slices.length,
    expected: plan.survey.expected,
  });
  await handOn(context, enqueueSlices(context, id, 0));
  return id;
}

async function ensurePlannedDataset(
  { database, reach }: ProducerContext,
  request: HarvestRequest,
  plan: Plan,
): Promise<string> {
  const { entity } = plan.query;
  const { source, fetch } = reach(request.dataset.source);
  const name = datasetName({ source: source.name, entity: entity.name });
  if (request.keysOnly) await getDataset(database, name); // there is nothing yet that could be gone
  // How a dataset is partitioned is decided once: by its own size, and not by that of a first harvest of a part of it.
  const isPart = !seesAll({ request, timeWindow: plan.query.window ?? null });
  const isNew = (await findDataset(database, name)) === undefined;
  const expected =
    isPart && isNew ? await source.count(fetch, { entity, selection: EVERYTHING }) : plan.survey.expected;
  await ensureDataset(database, { name, source: source.name, entity, expected });
  await ensureRelatedDatasets({ database, source, fetch }, plan.query.expand ?? []);
  return name;
}

/** What comes nested is a part of its dataset, most often a small one. */
async function ensureRelatedDatasets(
  { database, source, fetch }: ReachableSource & Pick<ProducerContext, 'database'>,
  expand: readonly Expansion[],
): Promise<void> {
  for (const entity of relatedEntities(expand)) {
    const name = datasetName({ source: source.name, entity: entity.name });
    if ((await findDataset(database, name)) !== undefined) continue;
    const expected = await source.count(fetch, { entity, selection: EVERYTHING });
    await ensureDataset(database, { name, source: source.name, entity, expected });
  }
}

const EVERYTHING: Selection = { filter: null, select: null, maxRecords: null };

type PlannedRun = Pick<NewRun, 'id' | 'dataset' | 'request' | 'sourceUrl'>;

/** False when the run has ended already, because of drift. */
async function writePlan(context: ProducerContext, run: PlannedRun, plan: Plan): Promise<boolean> {
  const { database, telemetry } = context;
  const { strategy, span, pageSize, expected, whole } = plan.survey;
  const { query, sourceLatest, ranges, requests: planRequests } = plan;
  const { entity, window = null, expand = null } = query;
  const planned = { entity, expand, strategy, span, pageSize, expected, planRequests, sourceLatest, ranges };
  await insertRun(database, { ...run, ...planned, timeWindow: window, isPlannedWhole: whole !== null });
  try {
    if (!(await agreeOnFields(context, run, { entity, expand: expand ?? [] }))) return false;
    await createStaging(database, run.id);
    if (expand !== null) await createRelated(database, run.id);
    await insertSlices(database, run.id, plan.slices);
    if (whole !== null && plan.slices.length > 0)
      for (const drift of await stagePlanned(database, run.id, whole))
        telemetry.emit('run.drifted', { run: run.id, dataset: run.dataset, ...drift });
    await sealRun(database, run.id);
    return true;
  } catch (error) {
    const end = { state: 'failed', reason: 'its plan could not be written' } as const;
    const isEnded = await endRun(database, run.id, { ...end, error: toStoredError(error) }).catch(() => false); // else the reconciler ends it
    if (isEnded) telemetry.emit('run.state', { run: run.id, ...end });
    throw error;
  }
}
