import { expect, it } from 'vitest';
import { addSubscription } from '../../src/runtime/subscriptions.ts';
import { SECRET } from '../feed/setup.ts';
import { startReceiver } from '../notifications/receiver.ts';
import { start } from '../support/command.ts';
import { SET, setUp } from '../support/living-source.ts';
import { range } from '../support/rows.ts';

const NAME = `oda/${SET}`;
const somebody = { name: 'ada', role: 'operator', via: 'cli', address: null } as const;

it('tells again, with the same id, what a worker had sent that was killed before it could note so', async () => {
  const { fleet } = await setUp({ ids: range(1, 30), environment: { SHEAF_FEED_SECRET: SECRET } });
  await fleet.harvest(NAME, { formats: [] });
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  const { promise: retold, resolve: isRetold } = Promise.withResolvers<void>();
  const receiver = await startReceiver((response, count) => {
    if (count > 1) {
      response.writeHead(204).end();
      isRetold();
    } else resolve(); // and the answer never comes
  });
  const target = { kind: 'webhook', target: receiver.url, prefix: null, tombstones: false } as const;
  await addSubscription(fleet.context, { name: 'index', ...target, datasets: [NAME], from: 'start' }, somebody);
  const worker = start(['worker'], {
    DATABASE_URL: fleet.context.database.url,
    SHEAF_ODA_URL: fleet.twin.url,
    SHEAF_FEED_SECRET: SECRET,
  });
  await arrived;
  worker.process.kill('SIGKILL');
  await worker.finished;
  await fleet.startWorker();
  await retold;
  expect(receiver.received).toHaveLength(2);
  const [first, second] = receiver.received;
  expect(second?.headers.get('webhook-id')).toBe(first?.headers.get('webhook-id'));
  expect(second?.body).toBe(first?.body);
});
