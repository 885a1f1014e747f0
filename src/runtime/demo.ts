import { join, relative, resolve } from 'node:path';
import type { Settings } from '../config/options.ts';
import { parseDataset } from '../domain/dataset.ts';
import { exportFormats, REQUEST_DEFAULTS } from '../domain/harvest-request.ts';
import { generateData } from '../twin/generated-data.ts';
import { startTwin } from '../twin/start-twin.ts';
import type { SheafContext } from './context.ts';
import { cancel, launchRun } from './harvest.ts';
import { openRuns } from './inspect.ts';

/** The same imitated parliament each time, so that a second demo finds nothing new. */
const SEED = 1849;

export interface Demo {
  /** Settings that lead to the demo's own database, folder and source, whatever the environment says. */
  readonly settings: Settings;
  /** As to be typed: relative to the working directory where that is shorter. */
  readonly homeSetting: string;
  readonly outSetting: string;
  stop(): Promise<void>;
}

/** Starts the twin with `percent` of the real volumes. Stop it when done. */
export async function startDemo(settings: Settings, percent: number, say: (text: string) => void): Promise<Demo> {
  say(`Imitating the Danish Parliament's API with ${percent} % of its records ...`);
  const entities = ['Afstemning', 'Sag', 'Aktør', 'Stemme'];
  const twin = await startTwin({ dataset: generateData({ seed: SEED, scale: percent / 100, entities }) });
  const home = resolve(settings.SHEAF_HOME, 'demo');
  const out = resolve(settings.SHEAF_OUT, 'demo');
  return {
    settings: {
      ...settings,
      DATABASE_URL: undefined,
      REDIS_URL: undefined,
      SHEAF_HOME: home,
      SHEAF_OUT: out,
      SHEAF_ODA_URL: twin.url,
      SHEAF_ODA_RATE: undefined,
      SHEAF_NOTIFY_URL: undefined,
      SHEAF_NOTIFY_COMMAND: undefined,
    },
    homeSetting: typed(home),
    outSetting: typed(out),
    stop: () => twin.stop(),
  };
}

/** Plans the demo's runs. Returns their ids. */
export async function launchDemoRuns(context: SheafContext, datasets: readonly string[]): Promise<string[]> {
  // What an interrupted demo left unfinished came from an imitation that is gone.
  for (const run of await openRuns(context)) await cancel(context, run);
  const runs: string[] = [];
  for (const dataset of datasets) {
    const run = await launchRun(context, {
      ...REQUEST_DEFAULTS,
      dataset: parseDataset(dataset),
      formats: exportFormats,
      out: context.settings.SHEAF_OUT,
    });
    runs.push(run);
  }
  return runs;
}

function typed(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : join(near);
}
