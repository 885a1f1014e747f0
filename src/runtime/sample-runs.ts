import { addSamples, type RunSample } from '../db/queries/run-samples.ts';
import { toStoredError } from '../domain/errors.ts';
import type { StagedPageFacts } from '../telemetry/events.ts';
import type { SheafContext } from './context.ts';
import { every } from './every.ts';

/** How often what was done is written down; the finest that a chart shows. */
const SAMPLE_MS = 2_000;

export interface Sampling {
  /** Writes down what is left, and ends. */
  stop(): Promise<void>;
}

/**
 * Sums up what this process does for each run, and writes it down every few seconds, in one statement for all runs. A
 * sample that cannot be written is lost: charts have a dent then, and nothing else depends on them.
 */
export function collectSamples({ database, telemetry }: Pick<SheafContext, 'database' | 'telemetry'>): Sampling {
  let sums = new Map<string, RunSample>();
  const add = (page: StagedPageFacts): void => {
    sums.set(page.run, withPage(sums.get(page.run), page));
  };
  telemetry.on('page.staged', add);
  const write = async (): Promise<void> => {
    const samples = [...sums.values()];
    sums = new Map();
    await addSamples(database, samples);
  };
  const onError = (error: unknown) =>
    telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) });
  const writing = every(SAMPLE_MS, write, onError);
  return {
    stop: async () => {
      telemetry.off('page.staged', add);
      await writing.stop();
      await write().catch(onError);
    },
  };
}

function withPage(sum: RunSample | undefined, page: StagedPageFacts): RunSample {
  const { run, pages, records, rejects, requests, retries, fetchMs, fetchMaxMs, stageMs } = sum ?? {
    ...NOTHING,
    run: page.run,
  };
  return {
    run,
    pages: pages + 1,
    records: records + page.records,
    rejects: rejects + page.rejects,
    requests: requests + page.requests,
    retries: retries + page.requests - 1,
    fetchMs: fetchMs + page.fetchMs,
    fetchMaxMs: Math.max(fetchMaxMs, page.fetchMs),
    stageMs: stageMs + page.durationMs,
  };
}

const NOTHING = { pages: 0, records: 0, rejects: 0, requests: 0, retries: 0, fetchMs: 0, fetchMaxMs: 0, stageMs: 0 };
