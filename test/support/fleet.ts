import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { readSettings } from '../../src/config/settings.ts';
import { parseDataset } from '../../src/domain/dataset.ts';
import { type HarvestRequest, REQUEST_DEFAULTS } from '../../src/domain/harvest-request.ts';
import type { RunReport } from '../../src/domain/report.ts';
import { openContext, type SheafContext } from '../../src/runtime/context.ts';
import { launchRun, watchRuns } from '../../src/runtime/harvest.ts';
import { reportRun } from '../../src/runtime/report.ts';
import { startWorker, type Worker } from '../../src/runtime/worker.ts';
import { startTwin, type Twin, type TwinOptions } from '../../src/twin/start-twin.ts';
import { freshDatabaseUrl } from './database.ts';

/** A whole Sheaf on a database of its own, in front of a twin: everything real, everything gone after the test. */
export interface Fleet {
  readonly context: SheafContext;
  readonly twin: Twin;
  readonly out: string;
  request(dataset: string, changes?: Partial<HarvestRequest>): HarvestRequest;
  /** Plans a run, works it with one worker, and waits for its end. */
  harvest(dataset: string, changes?: Partial<HarvestRequest>): Promise<RunReport>;
  startWorker(concurrency?: number): Promise<Worker>;
  ended(run: string): Promise<RunReport>;
}

export interface FleetOptions {
  readonly redisUrl?: string | undefined;
  readonly twin: TwinOptions;
  readonly environment?: Readonly<Record<string, string>>;
}

export async function startFleet({ redisUrl, twin: twinOptions, environment = {} }: FleetOptions): Promise<Fleet> {
  const out = await mkdtemp(join(tmpdir(), 'sheaf-out-'));
  onTestFinished(() => rm(out, { recursive: true, force: true }));
  const twin = await startTwin(twinOptions);
  onTestFinished(() => twin.stop());
  const settings = readSettings({
    DATABASE_URL: await freshDatabaseUrl(),
    REDIS_URL: redisUrl,
    SHEAF_ODA_URL: twin.url,
    SHEAF_OUT: out,
    ...environment,
  });
  const context = await openContext({ settings, logLevel: 'silent', concurrency: 4, rate: null });
  onTestFinished(() => context.close());

  const request: Fleet['request'] = (dataset, changes = {}) => ({
    ...REQUEST_DEFAULTS,
    dataset: parseDataset(dataset),
    formats: ['ndjson', 'csv'],
    out,
    ...changes,
  });
  const joinFleet = async (concurrency = 4): Promise<Worker> => {
    const worker = await startWorker(context, concurrency);
    onTestFinished(() => worker.stop());
    return worker;
  };
  const ended: Fleet['ended'] = async (run) => {
    await watchRuns(context, [run], { signal: AbortSignal.timeout(60_000), onProgress: () => undefined });
    return reportRun(context.database, run);
  };
  return {
    context,
    twin,
    out,
    request,
    startWorker: joinFleet,
    ended,
    harvest: async (dataset, changes) => {
      const run = await launchRun(context, request(dataset, changes));
      const worker = await joinFleet();
      const report = await ended(run);
      await worker.stop();
      return report;
    },
  };
}
