import { expect, it, onTestFinished } from 'vitest';
import { renderSubscriptions } from '../../src/cli/render/feed.ts';
import { readSettings } from '../../src/config/settings.ts';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { openWorkerSession } from '../../src/db/worker-session.ts';
import { startFeeding, whyNotTold } from '../../src/runtime/feed.ts';
import { addSubscription } from '../../src/runtime/subscriptions.ts';
import { reportOf, SECRET } from '../feed/setup.ts';
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
  await expect(startFeeding(withSettings({}), 1, { onError: () => undefined })).rejects.toThrow(
    /SHEAF_KAFKA_PASSWORD is not set/,
  );
  const plain = { SHEAF_KAFKA_PASSWORD: 'hunter2', SHEAF_KAFKA_MECHANISM: 'PLAIN' };
  const whyNot = (environment: Record<string, string>, kind: 'kafka' | 'webhook', target: string) =>
    whyNotTold(withSettings(environment), { kind, target });
  expect(await whyNot(plain, 'kafka', '127.0.0.1:1,kafka.example:9093')).toMatch(/needs SHEAF_KAFKA_TLS=on/);
  expect(await whyNot(plain, 'kafka', '127.0.0.1:1,[::1]:1')).toBeNull();
  expect(await whyNot({ ...plain, SHEAF_KAFKA_TLS: 'on' }, 'kafka', 'kafka.example:9093')).toBeNull();
});

it('leaves subscribers to others where it lacks what telling them takes, and puts nobody off by that', async () => {
  const { fleet } = await setUp({ ids: range(1, 3) });
  const { database, telemetry, settings } = fleet.context;
  await fleet.harvest(NAME, { formats: [] });
  const receiver = await startReceiver();
  const target = { kind: 'webhook', target: receiver.url, prefix: null, tombstones: false } as const;
  await addSubscription(fleet.context, { name: 'index', ...target, datasets: [NAME], from: 'start' }, somebody);
  const left: unknown[] = [];
  telemetry.on('feed.left', (event) => left.push(event));
  telemetry.on('feed.failed', (event) => left.push(event));
  const stop = AbortSignal.timeout(30_000);
  const join = async (secret: string | undefined) => {
    const facts = { host: 'here', pid: 1, session: 'test', version: '0', concurrency: 1 };
    const context = { ...fleet.context, settings: { ...settings, SHEAF_FEED_SECRET: secret } };
    const feeding = await startFeeding(context, await registerWorker(database, facts), {
      onError: (error) => void left.push(error),
    });
    onTestFinished(() => feeding.stop());
    return feeding;
  };
  const without = await join(undefined);
  await without.told(stop);
  await without.told(stop);
  expect(left).toEqual([{ subscription: 'index', reason: 'SHEAF_FEED_SECRET is not set here' }]); // once
  const { state, behind, untendedMs, ...report } = await reportOf(fleet.context, 'index');
  expect([state, behind]).toEqual(['active', 3]);
  expect(untendedMs).toBeGreaterThan(0);
  const listed = renderSubscriptions([{ state, behind, ...report, untendedMs: 600_000 }], 10);
  expect(listed).toMatch(/^index: nobody has told it anything for 10 min 0 s.* with SHEAF_FEED_SECRET\?$/m);
  expect(receiver.received).toEqual([]);

  await (await join(SECRET)).told(stop); // at once
  await without.told(stop);
  expect(receiver.received).toHaveLength(1);
  expect(await reportOf(fleet.context, 'index')).toMatchObject({ state: 'active', behind: 0, untendedMs: 0 });
  expect(left).toHaveLength(1);
});

it('leaves Kafka to those who can sign in, where there are any', async () => {
  const { fleet } = await setUp({ ids: [1] });
  const { database } = fleet.context;
  const lake = { kind: 'kafka', target: 'kafka.example:9093' } as const;
  expect(await whyNotTold(fleet.context, lake)).toBeNull();
  const facts = { host: 'here', pid: 1, session: 'test', version: '0', concurrency: 1 };
  const session = await openWorkerSession(database, await registerWorker(database, facts), { hasKafkaLogin: true });
  onTestFinished(() => session.close());
  expect(await whyNotTold(fleet.context, lake)).toMatch(/SHEAF_KAFKA_USERNAME is not set here/);
  const settings = readSettings({ SHEAF_KAFKA_USERNAME: 'ada', SHEAF_KAFKA_PASSWORD: 'hunter2' });
  expect(await whyNotTold({ database, settings }, lake)).toBeNull();
});
