import type { Settings } from '../config/options.ts';
import { datasetName } from '../domain/dataset.ts';
import type { HarvestRequest, Strategy } from '../domain/harvest-request.ts';
import type { Span } from '../domain/span.ts';
import { planHarvest } from '../producer/plan-run.ts';
import { createTelemetry } from '../telemetry/events.ts';
import { createSources } from './sources.ts';

/** What a harvest would do; `sheaf plan --json` prints it. */
export interface PlannedHarvest {
  readonly dataset: string;
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

/** Plans without a database: nothing is started, and nothing written. */
export async function planDatasets(
  { settings, rate }: { readonly settings: Settings; readonly rate: number | null },
  requests: readonly HarvestRequest[],
): Promise<PlannedHarvest[]> {
  const sources = createSources({ settings, telemetry: createTelemetry(), database: null, rate, connections: 2 });
  try {
    const plans: PlannedHarvest[] = [];
    for (const request of requests) plans.push(await planOne(sources, request));
    return plans;
  } finally {
    await sources.close();
  }
}

async function planOne(sources: ReturnType<typeof createSources>, request: HarvestRequest): Promise<PlannedHarvest> {
  const { query, survey, slices, pages, requests } = await planHarvest(sources, request);
  const all = pages === null ? null : pages + requests + 1;
  const requestsPerSecond = sources.rateOf(request.dataset.source);
  return {
    dataset: datasetName({ source: request.dataset.source, entity: query.entity.name }),
    ...survey,
    pages,
    slices: slices.length,
    requests: all,
    requestsPerSecond,
    atLeastMs: all === null || requestsPerSecond === null ? null : Math.round((all / requestsPerSecond) * 1_000),
  };
}
