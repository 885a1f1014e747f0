import { getRun } from '../db/queries/runs.ts';
import {
  type ClaimedSlice,
  claimSlice,
  hasPendingSlices,
  releaseSlice,
  type SliceReference,
} from '../db/queries/slices.ts';
import { isStoreTrouble } from '../domain/classify.ts';
import { GateClosedError, toStoredError } from '../domain/errors.ts';
import type { SliceOutcome } from '../domain/outcome.ts';
import { isSuspect } from '../domain/poison.ts';
import { pageBudget, shareRest, splitRest } from '../domain/slice.ts';
import type { Span } from '../domain/span.ts';
import type { PagePosition, Source, SourceFetch, SourceQuery } from '../sources/source.ts';
import type { Span as TraceSpan } from '../telemetry/tracer.ts';
import { followRelations, type WholePage } from './follow-relations.ts';
import type { IdleSlots } from './idle-slots.ts';
import { SliceStager } from './slice-stager.ts';
import { isSourceOf, queryOf, type WorkContext } from './work-context.ts';

/** What is fixed while a slice is walked. */
interface Walk {
  readonly claim: ClaimedSlice;
  readonly dataset: string;
  readonly source: Source;
  readonly fetch: SourceFetch;
  readonly query: SourceQuery;
  readonly strategy: PagePosition['strategy'];
  readonly pageSize: number;
  /** Pages after which the slice ends and its rest is given away. */
  readonly budget: number;
  /** Whether files are to show nested records inside their parents. */
  readonly isNesting: boolean;
  readonly stager: SliceStager;
  /** What the slice still covers: less, once it has given a part of its rest away. */
  span: Span;
  readonly idle: SliceOptions['idle'];
  /** When the walk began, by the monotonic clock, and how long its requests took since. */
  readonly startedAt: number;
  fetchedMs: number;
  readonly stop: AbortSignal;
}

export interface SliceAttempt {
  readonly outcome: SliceOutcome;
  /** Undefined when nothing could be claimed. */
  readonly claim: ClaimedSlice | undefined;
}

export interface SliceOptions {
  /** Hands the slice back, with everything staged so far kept. */
  readonly stop: AbortSignal;
  /** Resolves when this process works nothing else: a slice that may be what kills its workers must not take others along. */
  beAlone(): Promise<void>;
  /** Slots of this process that could take a part of the slice. */
  readonly idle: Pick<IdleSlots, 'count' | 'given'>;
}

/**
 * One attempt at a slice: claims it, then walks its pages from the ledger's cursor: fetch → normalise → stage, the next
 * page fetched while the last is staged, unless relations are followed. Never throws for what the source does; what went wrong is in the outcome.
 */
export async function runSlice(
  context: WorkContext,
  job: SliceReference,
  { stop, beAlone, idle }: SliceOptions,
): Promise<SliceAttempt> {
  const claim = await claimToWork(context, job, beAlone);
  if (claim === undefined) return { claim, outcome: { kind: 'abandoned', reason: 'nothing to claim' } };
  context.telemetry.emit('slice.claimed', { run: claim.run, slice: claim.slice, attempt: claim.attempt });
  const ending = new AbortController(); // ends a page that is being fetched ahead when the walk ends before it
  try {
    const walk = await prepare(context, claim, { idle, stop: AbortSignal.any([stop, ending.signal]) });
    return { claim, outcome: await walkPages(context, walk) };
  } catch (error) {
    return { claim, outcome: outcomeOf(error, stop) };
  } finally {
    ending.abort();
  }
}

/**
 * Claims a slice; a suspect one for being worked alone. It is not held while it waits for that: what brings this
 * process down meanwhile must not be laid to its charge.
 */
async function claimToWork(
  { database, workerId }: WorkContext,
  job: SliceReference,
  beAlone: SliceOptions['beAlone'],
): Promise<ClaimedSlice | undefined> {
  const claim = await claimSlice(database, job, workerId);
  if (claim === undefined || !isSuspect(claim.deaths)) return claim;
  await releaseSlice(database, claim);
  await beAlone();
  return claimSlice(database, claim, workerId);
}

function outcomeOf(error: unknown, stop: AbortSignal): SliceOutcome {
  // A database that is away is nobody's fault: the slice is given back, at once or, failing that, by the reconciler.
  if (stop.aborted || isStoreTrouble(error)) return { kind: 'handed-back' };
  if (error instanceof GateClosedError) return { kind: 'postponed', waitMs: error.waitMs };
  return { kind: 'failed', error: toStoredError(error), cause: error };
}

async function prepare(context: WorkContext, claim: ClaimedSlice, options: Pick<Walk, 'idle' | 'stop'>): Promise<Walk> {
  const run = await getRun(context.database, claim.run);
  const { source, fetch } = context.reach(run.request.dataset.source);
  // The slice waits for a worker that is set to the right server.
  if (!isSourceOf(source, run)) throw new GateClosedError(run.sourceUrl, 10_000);
  const pages = Math.ceil((run.expected ?? run.span.upto - run.span.after) / run.pageSize);
  const { strategy, pageSize } = run;
  const budget = pageBudget(pages, run.sliceCount ?? 1);
  return {
    claim,
    dataset: run.dataset,
    source,
    fetch,
    query: queryOf(run),
    strategy,
    pageSize,
    budget,
    isNesting: run.request.relations === 'nested',
    stager: new SliceStager(context, { claim, dataset: run.dataset }),
    span: claim.span,
    ...options,
    startedAt: performance.now(),
    fetchedMs: 0,
  };
}

async function walkPages(context: WorkContext, walk: Walk): Promise<SliceOutcome> {
  let ahead = openPage(context, walk, walk.claim.cursor);
  const openNext = (next: number): void => {
    ahead = openPage(context, walk, next);
  };
  try {
    for (let pages = walk.claim.pages + 1; ; pages++) {
      const outcome = await takePage(context, walk, { page: ahead, pages, openNext });
      if (outcome !== null) return outcome;
    }
  } catch (error) {
    // What has come is kept, whatever became of the page after it.
    await walk.stager.stage({ give: [], isLast: false });
    throw error;
  } finally {
    ahead.span.end();
  }
}

interface PageToTake {
  readonly page: OpenPage;
  /** Which page of the slice it is; the first is 1. */
  readonly pages: number;
  openNext(next: number): void;
}

/** Opens the page after this one, and stages this one, or has it wait for that. Null when there is one, else how the walk has ended. */
async function takePage(
  context: WorkContext,
  walk: Walk,
  { page, pages, openNext }: PageToTake,
): Promise<SliceOutcome | null> {
  if ((await walk.stager.stageUnlessSoon(page.fetching)) === 'fenced') return handBackOrAbandon(context, walk.claim);
  const fetched = await page.fetching;
  walk.fetchedMs += fetched.durationMs;
  const { next } = fetched.value;
  const cursor = next ?? walk.span.upto;
  const give = next === null ? [] : await chooseToGive(context, walk, { next, pages });
  walk.span = { after: walk.span.after, upto: give[0]?.after ?? walk.span.upto };
  const following = cursor < walk.span.upto ? next : null;
  // A page with all that is nested in it may be large: a walk holds one of them at a time.
  const isHeavy = fetched.related !== undefined;
  if (following !== null && !isHeavy) openNext(following);
  await walk.stager.add({ fetched, cursor, span: page.span });
  if (following !== null && give.length === 0 && walk.stager.mayWait(pageMsOf(walk, pages))) return null;
  const result = await walk.stager.stage({ give, isLast: following === null });
  if (result === 'fenced') return handBackOrAbandon(context, walk.claim);
  if (following === null) return { kind: 'staged' };
  if (walk.stop.aborted) return { kind: 'handed-back' };
  if (isHeavy) openNext(following);
  return null;
}

/** What of the rest others are to do: of a slice that has had its pages, and of the last ones, where slots stand idle. */
async function chooseToGive(
  { database }: WorkContext,
  walk: Walk,
  { next, pages }: { readonly next: number; readonly pages: number },
): Promise<Span[]> {
  const { claim, span, budget, idle, fetchedMs } = walk;
  const { run, cursor } = claim;
  if (pages >= budget) return splitRest(span, next);
  const idleSlots = idle.count();
  if (idleSlots === 0) return [];
  const taken = pages - claim.pages;
  const pace = { pageWidth: (next - cursor) / taken, pageMs: pageMsOf(walk, pages), fetchMs: fetchedMs / taken };
  const shares = shareRest({ after: next, upto: span.upto }, idleSlots, pace);
  if (shares.length === 0) return [];
  idle.given(); // whoever else asks now finds none
  return (await hasPendingSlices(database, run)) ? [] : shares;
}

/** From one page to the next on average, so far; `pages` as in `PageToTake`. */
function pageMsOf({ startedAt, claim }: Walk, pages: number): number {
  return (performance.now() - startedAt) / (pages - claim.pages);
}

/** A page that is being fetched; its span ends when it is staged. */
interface OpenPage {
  readonly fetching: Promise<WholePage>;
  readonly span: TraceSpan;
}

function openPage({ telemetry }: WorkContext, walk: Walk, cursor: number): OpenPage {
  const { claim, source } = walk;
  const names = { 'sheaf.run': claim.run, 'sheaf.slice': claim.slice, 'sheaf.source': source.name };
  const span = telemetry.startSpan('page', { ...names, 'sheaf.cursor': cursor });
  const fetching = span.inside(() => fetchPage(walk, cursor));
  // Looked at when its turn comes; until then it is nobody's unhandled rejection.
  fetching.catch((error: unknown) => {
    span.fail(error);
    span.end();
  });
  return { fetching, span };
}

async function fetchPage(walk: Walk, cursor: number): Promise<WholePage> {
  const { source, query, strategy, pageSize, stop, span } = walk;
  const position = { strategy, span, cursor, pageSize };
  const fetched = await walk.fetch(source.pagePath(query, position), (body) => source.readPage(query, position, body), {
    signal: stop,
    kind: query.entity.name,
  });
  return followRelations(walk, fetched);
}

/** Fenced: either another worker holds the slice, or the run no longer fetches and the slice is still ours to return. */
async function handBackOrAbandon(context: WorkContext, claim: ClaimedSlice): Promise<SliceOutcome> {
  const wasOurs = await releaseSlice(context.database, claim);
  return { kind: 'abandoned', reason: wasOurs ? 'the run no longer fetches' : 'claimed by another worker' };
}
