import { addSamples, type RunSample } from '../db/queries/run-samples.ts';
import { toStoredError } from '../domain/errors.ts';
import type { StagedFacts } from '../telemetry/events.ts';
import type { SheafContext } from './context.ts';
import { every } from './every.ts';

/** How often what was done is written down. */
const SAMPLE_MS = 2_000;
/** What was done within the same moment is summed up; short against the buckets of a chart, which would flicker. */
const MOMENT_MS = 250;

export interface Sampling {
  /** Writes down what is left, and ends. */
  stop(): Promise<void>;
}

/**
 * Sums up what this process does for each run, and writes it down every few seconds, in one statement for all runs. A
 * sample that cannot be written is lost: charts have a dent then, and nothing else depends on them.
 */
export function collectSamples({ database, telemetry }: Pick<SheafContext, 'database' | 'telemetry'>): Sampling {
  let sums = new Map<string, { readonly moment: number; readonly sum: Sum }>();
  const add = (staged: StagedFacts): void => {
    const moment = Math.floor(performance.now() / MOMENT_MS);
    const name = `${staged.run} ${moment}`;
    sums.set(name, { moment, sum: withStaged(sums.get(name)?.sum, staged) });
  };
  telemetry.on('pages.staged', add);
  const write = async (): Promise<void> => {
    const now = performance.now();
    const samples = [...sums.values()].map(({ moment, sum }) => ({ ...sum, agoMs: now - moment * MOMENT_MS }));
    sums = new Map();
    await addSamples(database, samples);
  };
  const onError = (error: unknown) =>
    telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) });
  const writing = every(SAMPLE_MS, write, onError);
  return {
    stop: async () => {
      telemetry.off('pages.staged', add);
      await writing.stop();
      await write().catch(onError);
    },
  };
}

type Sum = Omit<RunSample, 'agoMs'>;

function withStaged(sum: Sum | undefined, staged: StagedFacts): Sum {
  const { run, pages, records, rejects, requests, retries, fetchMs, fetchMaxMs, stageMs } = sum ?? {
    ...NOTHING,
    run: staged.run,
  };
  return {
    run,
    pages: pages + staged.pages,
    records: records + staged.records,
    rejects: rejects + staged.rejects,
    requests: requests + staged.requests,
    retries: retries + staged.requests - staged.pages,
    fetchMs: fetchMs + staged.fetchMs,
    fetchMaxMs: Math.max(fetchMaxMs, staged.fetchMaxMs),
    stageMs: stageMs + staged.durationMs,
  };
}

const NOTHING = { pages: 0, records: 0, rejects: 0, requests: 0, retries: 0, fetchMs: 0, fetchMaxMs: 0, stageMs: 0 };
