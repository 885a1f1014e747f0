import type { Database } from '../db/database.ts';
import { findWatermark } from '../db/queries/watermarks.ts';
import { datasetName } from '../domain/dataset.ts';
import { PermanentError } from '../domain/errors.ts';
import { checkKeysOnly, checkMode, checkSince, type HarvestRequest, selectionOf } from '../domain/harvest-request.ts';
import { mayBeUntimed } from '../domain/record.ts';
import { redact } from '../domain/redact.ts';
import { checkRelations, type Expansion } from '../domain/relations.ts';
import { beforeWatermark, later, secondAfter, untilNow } from '../domain/time-window.ts';
import type { Source, SourceFetch, SourceQuery, Survey } from '../sources/source.ts';

/** A source, and the way to reach it. */
export interface ReachableSource {
  readonly source: Source;
  readonly fetch: SourceFetch;
}

/** What a source was found to have for a request. */
export interface Surveyed {
  readonly query: SourceQuery;
  readonly survey: Survey;
  /** The latest timestamp that it had before anything was read; null when it is not known. */
  readonly sourceLatest: string | null;
}

/**
 * Asks a source what a request will bring. A step asks for what was last changed in a window of time, from a little
 * before the watermark up to the latest timestamp there is now; what changes later is the next step's. Without a
 * watermark to go on from it becomes a sweep.
 */
export async function surveyHarvest(
  { source, fetch }: ReachableSource,
  database: Pick<Database, 'pool'> | null,
  request: HarvestRequest,
): Promise<Surveyed> {
  const entity = await source.check(fetch, request.dataset.entity, request);
  checkMode(entity, request);
  checkKeysOnly(source, request);
  checkRelations(request);
  const expand = await source.relate(fetch, entity, request.expand ?? []);
  const { strategy } = request;
  const query = { entity, selection: selectionOf(request) };
  if (request.keysOnly) return { query, survey: await source.survey(fetch, query, strategy), sourceLatest: null };
  const from = request.mode === 'step' ? await startOf(source, database, { request, query }) : null;
  const surveyed =
    from === null
      ? await surveySweep({ source, fetch }, query, strategy)
      : await surveyStep({ source, fetch }, { ...query, from }, strategy);
  return expand.length === 0 ? surveyed : withRelations(surveyed, expand);
}

/** What a survey brings along has nothing nested in it, so that all there is has to be asked for once more. */
function withRelations({ query, survey, sourceLatest }: Surveyed, expand: readonly Expansion[]): Surveyed {
  const isEmpty = survey.span.after === survey.span.upto;
  return { query: { ...query, expand }, survey: isEmpty ? survey : { ...survey, whole: null }, sourceLatest };
}

type Strategy = HarvestRequest['strategy'];

/** Where a step begins; null when there is no watermark. */
async function startOf(
  source: Source,
  database: Pick<Database, 'pool'> | null,
  { request, query }: { readonly request: HarvestRequest; readonly query: SourceQuery },
): Promise<string | null> {
  if (request.since !== null) return checkSince(request.since);
  if (database === null) return null;
  const dataset = datasetName({ source: source.name, entity: query.entity.name });
  const of = { dataset, sourceUrl: redact(source.baseUrl), request };
  const watermark = await findWatermark(database, of);
  return watermark === null ? null : beforeWatermark(watermark);
}

/** What changes while a sweep reads has a later timestamp than all that it had before: the watermark is asked for first. */
async function surveySweep(reach: ReachableSource, query: SourceQuery, strategy: Strategy): Promise<Surveyed> {
  const sourceLatest = query.selection.maxRecords === null ? await latestIfTold(reach, query) : null;
  const survey = await reach.source.survey(reach.fetch, query, strategy);
  return { query, survey, sourceLatest: boundedByNow(reach.source, sourceLatest) };
}

/** A sweep needs no timestamp: a source that does not sort by them can be swept, though it leaves no watermark. */
async function latestIfTold({ source, fetch }: ReachableSource, query: SourceQuery): Promise<string | null> {
  try {
    return await source.latest(fetch, query);
  } catch (error) {
    if (error instanceof PermanentError) return null;
    throw error;
  }
}

async function surveyStep(
  { source, fetch }: ReachableSource,
  { from, ...query }: SourceQuery & { readonly from: string },
  strategy: Strategy,
): Promise<Surveyed> {
  const open = { from, before: null, withUntimed: mayBeUntimed(query.entity) };
  const survey = await source.survey(fetch, { ...query, window: open }, strategy);
  const latest =
    survey.whole === null
      ? await source.latest(fetch, { ...query, window: { ...open, withUntimed: false } })
      : survey.whole.records.reduce<string | null>((found, { timestamp }) => later(found, timestamp), null);
  const window = { ...open, before: latest === null ? from : secondAfter(latest) };
  return { query: { ...query, window }, survey, sourceLatest: boundedByNow(source, latest) };
}

/** A timestamp that lies in the future, by a slip at the source, must not lift the watermark over what comes until then. */
function boundedByNow({ timeZone }: Source, latest: string | null): string | null {
  return latest === null ? null : untilNow(latest, timeZone, new Date());
}
