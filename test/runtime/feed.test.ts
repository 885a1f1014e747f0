import { expect, it } from 'vitest';
import { readSettings } from '../../src/config/settings.ts';
import { openTargetOf, startFeeding } from '../../src/runtime/feed.ts';
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

it('refuses to sign in to Kafka by halves, or to send a password for all to read', async () => {
  const { fleet } = await setUp({ ids: [1] });
  const withSettings = (environment: Record<string, string>) => ({
    ...fleet.context,
    settings: readSettings({ ...environment, SHEAF_KAFKA_USERNAME: 'ada' }),
  });
  await expect(startFeeding(withSettings({}), 1, () => undefined)).rejects.toThrow(/SHEAF_KAFKA_PASSWORD is not set/);
  const plain = { SHEAF_KAFKA_PASSWORD: 'hunter2', SHEAF_KAFKA_MECHANISM: 'PLAIN' };
  const to = (kind: 'kafka' | 'webhook', target: string) => ({
    ...{
      id: 1,
      name: 'lake',
      kind,
      target,
      prefix: kind === 'kafka' ? 'sheaf' : null,
      tombstones: false,
      datasets: null,
    },
    ...{ createdAt: new Date(), pausedAt: null, pausedFor: null },
  });
  const detailOf = async (environment: Record<string, string>, subscription: ReturnType<typeof to>) => {
    const target = await openTargetOf(withSettings(environment), subscription);
    const { detail } = await target.deliver({ ...nothing, changes: [] }, AbortSignal.abort());
    await target.close();
    return detail;
  };
  expect(await detailOf(plain, to('kafka', '127.0.0.1:1,kafka.example:9093'))).toMatch(/needs SHEAF_KAFKA_TLS=on/);
  expect(await detailOf(plain, to('kafka', '127.0.0.1:1,[::1]:1'))).not.toMatch(/SHEAF_KAFKA_TLS/);
  expect(await detailOf({ ...plain, SHEAF_KAFKA_TLS: 'on' }, to('kafka', '127.0.0.1:1'))).not.toMatch(
    /SHEAF_KAFKA_TLS/,
  );
  expect(await detailOf(plain, to('webhook', 'http://127.0.0.1:1/'))).toMatch(/SHEAF_FEED_SECRET is not set/);
});

const place = { at: '2026-11-21T16:04:25.118421Z', key: null };
const nothing = { id: 'feed_1', subscription: 'lake', dataset: NAME, run: 'r', from: place, to: place, isLast: true };
