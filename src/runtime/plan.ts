import type { Settings } from '../config/options.ts';
import type { Database } from '../db/database.ts';
import { datasetName } from '../domain/dataset.ts';
import { type HarvestRequest, type Kind, kindOf, type RunKind, type Strategy } from '../domain/harvest-request.ts';
import type { Span } from '../domain/span.ts';
import type { TimeWindow } from '../domain/time-window.ts';
import { planHarvest } from '../producer/plan-run.ts';
import { createTelemetry } from '../telemetry/events.ts';
import type { SheafContext } from './context.ts';
import { createSources, type Sources } from './sources.ts';

/** What a harvest would do; `sheaf plan --json` prints it. */
export interface PlannedHarvest {
  readonly dataset: string;
  /** What was asked for, and what it comes to: a step without a watermark is a sweep. */
  readonly mode: Kind;
  readonly kind: RunKind;
  /** What a step would cover; null for a sweep. */
  readonly window: TimeWindow | null;
  readonly strategy: Strategy;
  readonly span: Span;
  readonly expected: number | null;
  readonly pageSize: number;
  readonly pages: number | null;
  readonly slices: number;
  /** Requests the harvest will send: its pages, what planning and the last count cost; null when not known. */
  readonly requests: number | null;
  readonly requestsPerSecond: number | null;
  /** What the rate alone makes it take; null without a rate. */
  readonly atLeastMs: number | null;
}

/** Plans with the watermarks of a database; nothing is written. */
export async function planDatasets(
  { sources, database }: Pick<SheafContext, 'sources' | 'database'>,
  requests: readonly HarvestRequest[],
): Promise<PlannedHarvest[]> {
  return planEach({ sources, database }, requests);
}

/** Plans without a database, which only a step from its watermark needs: nothing is started. */
export async function planWithout(
  { settings, rate }: { readonly settings: Settings; readonly rate: number | null },
  requests: readonly HarvestRequest[],
): Promise<PlannedHarvest[]> {
  const sources = createSources({ settings, telemetry: createTelemetry(), database: null, rate, connections: 2 });
  try {
    return await planEach({ sources, database: null }, requests);
  } finally {
    await sources.close();
  }
}

interface Planning {
  readonly sources: Sources;
  readonly database: Database | null;
}

async function planEach(planning: Planning, requests: readonly HarvestRequest[]): Promise<PlannedHarvest[]> {
  const plans: PlannedHarvest[] = [];
  for (const request of requests) plans.push(await planOne(planning, request));
  return plans;
}

async function planOne({ sources, database }: Planning, request: HarvestRequest): Promise<PlannedHarvest> {
  const plan = await planHarvest({ reach: sources.reach, database }, request);
  const { query, slices, pages, requests } = plan;
  const { whole, ...survey } = plan.survey;
  const all = whole !== null ? requests : pages === null ? null : pages + requests + 1;
  const window = query.window ?? null;
  const requestsPerSecond = sources.rateOf(request.dataset.source);
  return {
    dataset: datasetName({ source: request.dataset.source, entity: query.entity.name }),
    mode: request.mode,
    kind: kindOf({ request, timeWindow: window, ranges: null }),
    window,
    ...survey,
    pages,
    slices: slices.length,
    requests: all,
    requestsPerSecond,
    atLeastMs: all === null || requestsPerSecond === null ? null : Math.round((all / requestsPerSecond) * 1_000),
  };
}
