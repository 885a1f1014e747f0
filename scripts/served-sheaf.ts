import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../src/config/settings.ts';
import { parseDataset } from '../src/domain/dataset.ts';
import { type HarvestRequest, REQUEST_DEFAULTS } from '../src/domain/harvest-request.ts';
import { openContext, type SheafContext } from '../src/runtime/context.ts';
import { startServer } from '../src/runtime/serve.ts';
import { startTwin, type Twin, type TwinOptions } from '../src/twin/start-twin.ts';

/** A whole Sheaf in this process: a PostgreSQL in a temporary folder, the twin as its source, and the server. */
export interface ServedSheaf {
  readonly context: SheafContext;
  readonly twin: Twin;
  /** Where the server is reached, without a slash at its end. */
  readonly url: string;
  request(dataset: string, changes?: Partial<HarvestRequest>): HarvestRequest;
  stop(): Promise<void>;
}

export async function serveSheaf(
  twinOptions: TwinOptions,
  environment: Readonly<Record<string, string>> = {},
): Promise<ServedSheaf> {
  const home = await mkdtemp(join(tmpdir(), 'sheaf-served-'));
  const twin = await startTwin(twinOptions);
  const out = join(home, 'out');
  const settings = readSettings({
    SHEAF_HOME: join(home, 'home'),
    SHEAF_OUT: out,
    SHEAF_ODA_URL: twin.url,
    ...environment,
  });
  const context = await openContext({ settings, logLevel: 'silent', concurrency: 8, rate: null });
  const server = await startServer(context, { host: '127.0.0.1', port: 0 });
  return {
    context,
    twin,
    url: server.url,
    request: (dataset, changes = {}) => ({
      ...REQUEST_DEFAULTS,
      dataset: parseDataset(dataset),
      formats: ['ndjson', 'csv'],
      out,
      ...changes,
    }),
    stop: async () => {
      await server.stop();
      await context.close();
      await twin.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
