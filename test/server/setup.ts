import { onTestFinished } from 'vitest';
import { startServer } from '../../src/runtime/serve.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Fleet, type FleetOptions, startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

export interface ServedFleet extends Fleet {
  /** Where the server is reached, without a slash at its end. */
  readonly url: string;
}

/** A whole Sheaf with its server, on a database of its own; by default in front of a source with 250 votes. */
export async function startServedFleet(options: Partial<FleetOptions> = {}): Promise<ServedFleet> {
  const twin = options.twin ?? { dataset: inlineData({ Afstemning: votes(range(1, 250)) }) };
  const fleet = await startFleet({ ...options, twin });
  const server = await startServer(fleet.context, { host: '127.0.0.1', port: 0 });
  onTestFinished(() => server.stop());
  return { ...fleet, url: server.url };
}
