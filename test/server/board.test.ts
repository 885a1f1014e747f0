import { expect, it } from 'vitest';
import { launchRun } from '../../src/runtime/harvest.ts';
import { describeEngines } from '../support/engines.ts';
import { startServedFleet } from './setup.ts';

interface Board {
  readonly queues: readonly {
    readonly name: string;
  }[];
}

describeEngines('Bull Board', (redisUrl) => {
  it('lists the queues', async () => {
    const fleet = await startServedFleet({ redisUrl });
    await launchRun(fleet.context, fleet.request('oda/Afstemning'));
    const read = async (path: string): Promise<unknown> => (await fetch(`${fleet.url}/board${path}`)).json();
    const board = (await read('/api/queues?activeQueue=sheaf-slices&status=waiting')) as Board;
    expect(board.queues.map(({ name }) => name)).toContain('sheaf-finalise');
  });
});
