import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { pruneNotifications } from '../../src/db/queries/notifications.ts';
import { endRun, getRun } from '../../src/db/queries/runs.ts';
import { registerWorker } from '../../src/db/queries/workers.ts';
import { openWorkerSession } from '../../src/db/worker-session.ts';
import type { RunEnded } from '../../src/domain/notification.ts';
import type { RunState } from '../../src/domain/run.ts';
import type { Deliverer, Delivery, Message } from '../../src/notifications/delivery.ts';
import { createNotifier, type Notifier } from '../../src/notifications/notifier.ts';
import { cancel, launchRun, retryRun } from '../../src/runtime/harvest.ts';
import { deliverersOf } from '../../src/runtime/notify.ts';
import { reportRun } from '../../src/runtime/report.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { sheaf, start } from '../support/command.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';
import { startReceiver } from './receiver.ts';
import { verifyWebhook } from './verify.ts';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const twin = { dataset: inlineData({ Afstemning: votes(range(1, 250)) }) };
const failed = (reason: string) =>
  ({ state: 'failed', reason, error: { name: 'x', code: 'x', message: reason, facts: {} } }) as const;

interface Row {
  readonly id: string;
  readonly channel: string;
  readonly state: string;
  readonly attempts: number;
  readonly detail: string | null;
}

async function rowsOf({ context }: Fleet, channel = 'webhook'): Promise<Row[]> {
  const { rows } = await context.database.pool.query<Row>(
    'select id, channel, state, attempts, detail from sheaf.notifications where channel = $1 order by number',
    [channel],
  );
  return rows;
}

/** A notifier with one channel that answers as it is told, and what it was given. */
async function openTestNotifier(
  { context }: Fleet,
  answer: (message: Message, count: number, stop: AbortSignal) => Delivery | Promise<Delivery>,
  states: readonly RunState[] = ['failed', 'partial'],
): Promise<{ notifier: Notifier; messages: Message[] }> {
  const { database, telemetry } = context;
  const messages: Message[] = [];
  const deliverer: Deliverer = {
    channel: 'webhook',
    deliver: async (message, stop) => answer(message, messages.push(message), stop),
  };
  const facts = { host: 'here', pid: 1, session: 'test', version: '0', concurrency: 1 };
  const workerId = await registerWorker(database, facts);
  const session = await openWorkerSession(database, workerId); // whoever is not alive has lost what it took
  onTestFinished(() => session.close());
  const report = (run: string) => reportRun(database, run);
  return {
    notifier: createNotifier({ database, telemetry, report, workerId }, { deliverers: [deliverer], states }),
    messages,
  };
}

const delivered: Delivery = { kind: 'delivered', detail: 'taken' };
const refusedOnce = (_: Message, count: number): Delivery =>
  count === 1 ? { kind: 'failed', detail: 'not now' } : delivered;

async function becomeDue({ context }: Fleet): Promise<void> {
  await context.database.pool.query(`update sheaf.notifications set due_at = now() where state = 'waiting'`);
}

it('tells a webhook and a command of a harvest, before the process that worked it ends', async () => {
  const receiver = await startReceiver();
  const fleet = await startFleet({
    twin,
    environment: {
      SHEAF_NOTIFY_URL: receiver.url,
      SHEAF_NOTIFY_SECRET: secret,
      SHEAF_NOTIFY_COMMAND: 'cat > "$SHEAF_TEST_FILE.$SHEAF_STATE"',
      SHEAF_NOTIFY_STATES: 'complete',
    },
  });
  process.env['SHEAF_TEST_FILE'] = join(fleet.out, 'told');
  onTestFinished(() => {
    delete process.env['SHEAF_TEST_FILE'];
  });
  const report = await fleet.harvest('oda/Afstemning');
  expect(report.state).toBe('complete');
  const [first, ...others] = receiver.received;
  expect(others).toEqual([]);
  const message = (await verifyWebhook(secret, first?.headers ?? new Headers(), first?.body ?? '')) as RunEnded;
  const { finishedAt } = await getRun(fleet.context.database, report.run);
  expect(message).toEqual({
    type: 'run.ended',
    id: `${report.run}_1`,
    at: finishedAt?.toISOString(),
    run: JSON.parse(JSON.stringify(report)),
  });
  expect(JSON.parse(await readFile(join(fleet.out, 'told.complete'), 'utf8'))).toEqual(message);
  expect([...(await rowsOf(fleet)), ...(await rowsOf(fleet, 'command'))].map(({ state }) => state)).toEqual([
    'delivered',
    'delivered',
  ]);
});

it('tells of exactly the ends that were asked for, whoever brought them about', async () => {
  const fleet = await startFleet({ twin });
  const { database } = fleet.context;
  const runs: string[] = [];
  for (let count = 0; count < 3; count++) runs.push(await launchRun(fleet.context, fleet.request('oda/Afstemning')));
  await endRun(database, runs[0] ?? '', failed('broken'));
  await endRun(database, runs[1] ?? '', { state: 'partial', reason: 'not all' });
  await cancel(fleet.context, await getRun(database, runs[2] ?? ''));
  const { notifier, messages } = await openTestNotifier(fleet, () => delivered, ['partial', 'cancelled']);
  await notifier.tend();
  expect(messages.map(({ run, state }) => ({ run, state }))).toEqual([
    { run: runs[1], state: 'partial' },
    { run: runs[2], state: 'cancelled' },
  ]);
  expect((await rowsOf(fleet)).map(({ state }) => state)).toEqual(['unwanted', 'delivered', 'delivered']);
});

it('tries again what failed, with the same words, and keeps the ends of one run in order', async () => {
  const fleet = await startFleet({ twin });
  const { context } = fleet;
  const run = await launchRun(context, fleet.request('oda/Afstemning'));
  await endRun(context.database, run, failed('first'));
  const { notifier, messages } = await openTestNotifier(fleet, refusedOnce);
  const failures: unknown[] = [];
  context.telemetry.on('notification.failed', (event) => failures.push(event));
  await notifier.tend();
  expect(failures).toEqual([
    {
      run,
      id: `${run}_1`,
      channel: 'webhook',
      attempt: 1,
      detail: 'not now',
      againInMs: 5_000,
      durationMs: expect.any(Number),
    },
  ]);
  await retryRun(context, await getRun(context.database, run));
  await endRun(context.database, run, failed('second'));
  await notifier.tend();
  expect(messages).toHaveLength(1); // the second end waits for the first
  await becomeDue(fleet);
  await notifier.tend();
  expect(messages.map(({ id }) => id)).toEqual([`${run}_1`, `${run}_1`, `${run}_2`]);
  expect(messages[1]?.body).toBe(messages[0]?.body);
  const reasons = messages.map(({ body }) => (JSON.parse(body) as RunEnded).run.reason);
  expect(reasons).toEqual(['first', 'first', 'second']);
  expect((await rowsOf(fleet)).map(({ state, attempts }) => [state, attempts])).toEqual([
    ['delivered', 2],
    ['delivered', 1],
  ]);
});

it('gives up after about a day of failures, or at once when the receiver is gone, and says so', async () => {
  const fleet = await startFleet({ twin });
  const { context } = fleet;
  const run = await launchRun(context, fleet.request('oda/Afstemning'));
  await endRun(context.database, run, failed('broken'));
  const { notifier, messages } = await openTestNotifier(fleet, () => ({ kind: 'failed', detail: 'no' }));
  const pauses: (number | null)[] = [];
  context.telemetry.on('notification.failed', ({ againInMs }) => pauses.push(againInMs));
  for (let count = 0; count < 13; count++) {
    await becomeDue(fleet);
    await notifier.tend();
  }
  expect(messages).toHaveLength(11);
  expect(pauses.at(-1)).toBeNull();
  const totalMs = pauses.reduce<number>((sum, pause) => sum + (pause ?? 0), 0);
  expect(totalMs / 3_600_000).toBeCloseTo(23.4, 1);
  expect(await rowsOf(fleet)).toMatchObject([{ state: 'given-up', attempts: 11, detail: 'no' }]);

  const another = await launchRun(context, fleet.request('oda/Afstemning'));
  await endRun(context.database, another, failed('broken'));
  const gone = await openTestNotifier(fleet, () => ({ kind: 'refused', detail: 'HTTP 410' }));
  await gone.notifier.tend();
  expect((await rowsOf(fleet)).at(-1)).toMatchObject({ state: 'given-up', attempts: 1 });
});

it('keeps what is no text in what a command prints from being told again and again', async () => {
  const fleet = await startFleet({ twin });
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  await endRun(fleet.context.database, run, failed('broken'));
  const odd = { kind: 'failed', detail: 'exit code 1: a\0b' } as const;
  const { notifier } = await openTestNotifier(fleet, () => odd);
  await notifier.tend();
  const [row] = await rowsOf(fleet);
  expect(row).toMatchObject({ state: 'waiting', attempts: 1, detail: 'exit code 1: a\ufffdb' });
});

it('counts a try of which nothing can be noted, and ends after the last', async () => {
  const fleet = await startFleet({ twin });
  const { database, telemetry } = fleet.context;
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  await endRun(database, run, failed('broken'));
  const { notifier, messages } = await openTestNotifier(fleet, () => delivered);
  const ends: unknown[] = [];
  telemetry.on('notification.failed', (event) => ends.push(event));
  await database.pool.query('alter table sheaf.notifications add constraint none check (detail is null)');
  const held: number[] = [];
  for (let count = 0; count < 11; count++) {
    await expect(notifier.tend()).rejects.toThrow(/none/);
    const { rows } = await database.pool.query<{ seconds: number }>(
      `update sheaf.notifications n set claimed_until = now() - interval '1 second' from sheaf.notifications o
       where o.number = n.number and n.channel = 'webhook'
       returning round(extract(epoch from o.claimed_until - now()))::int as seconds`,
    );
    held.push(rows[0]?.seconds ?? 0);
  }
  const expected = [120, 120, 120, 300, 900, 3_600, 7_200, 14_400, 28_800, 28_800, 120];
  expect(held.map((seconds, index) => Math.abs(seconds - (expected[index] ?? 0)) < 20)).not.toContain(false);
  await database.pool.query('alter table sheaf.notifications drop constraint none');
  await notifier.tend();
  expect(messages).toHaveLength(11);
  expect(await rowsOf(fleet)).toMatchObject([{ state: 'given-up', attempts: 11 }]);
  expect(ends).toMatchObject([{ run, attempt: 11, againInMs: null }]);
});

it('breaks off the last try, too, when the worker stops, and has it made again', async () => {
  const fleet = await startFleet({ twin });
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  await endRun(fleet.context.database, run, failed('broken'));
  await fleet.context.database.pool.query('update sheaf.notifications set attempts = 10');
  const hanging = async (_: Message, _count: number, stop: AbortSignal): Promise<Delivery> => {
    await once(stop, 'abort');
    return { kind: 'failed', detail: 'broken off' };
  };
  const { notifier } = await openTestNotifier(fleet, hanging);
  await notifier.stop();
  expect(await rowsOf(fleet)).toMatchObject([{ state: 'waiting', attempts: 10, detail: 'broken off' }]);
  await becomeDue(fleet);
  const next = await openTestNotifier(fleet, () => delivered);
  await next.notifier.tend();
  expect(await rowsOf(fleet)).toMatchObject([{ state: 'delivered', attempts: 11 }]);
});

it('does not keep a worker that is told to stop', async () => {
  const fleet = await startFleet({ twin });
  const { database } = fleet.context;
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  await endRun(database, run, failed('broken'));
  const worker = start(['worker'], {
    DATABASE_URL: database.url,
    SHEAF_ODA_URL: fleet.twin.url,
    SHEAF_NOTIFY_COMMAND: 'sleep 300',
  });
  await expect.poll(() => rowsOf(fleet, 'command'), { timeout: 10_000 }).toMatchObject([{ attempts: 1 }]);
  await worker.says(/worker\.started/);
  const toldAt = performance.now();
  worker.process.kill('SIGTERM');
  expect((await worker.finished).signal).toBeNull();
  expect(performance.now() - toldAt).toBeLessThan(15_000); // on a busy machine
  expect(await rowsOf(fleet, 'command')).toMatchObject([{ state: 'waiting', attempts: 1, detail: 'ended by SIGKILL' }]);
}, 30_000);

it('lets a harvest wait for a command that takes longer than a worker that stops would', async () => {
  const fleet = await startFleet({ twin });
  const environment = {
    DATABASE_URL: fleet.context.database.url,
    SHEAF_ODA_URL: fleet.twin.url,
    SHEAF_OUT: fleet.out,
    SHEAF_NOTIFY_COMMAND: 'sleep 4',
    SHEAF_NOTIFY_STATES: 'complete',
  };
  expect((await sheaf(['harvest', 'oda/Afstemning'], environment)).code).toBe(0);
  expect(await rowsOf(fleet, 'command')).toMatchObject([{ state: 'delivered', attempts: 1 }]);
}, 30_000);

it('is delivered once by two that try at the same time', async () => {
  const fleet = await startFleet({ twin });
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  await endRun(fleet.context.database, run, failed('broken'));
  const both = await Promise.all([1, 2].map(() => openTestNotifier(fleet, () => delivered)));
  await Promise.all(both.map(({ notifier }) => notifier.tend()));
  expect(both.flatMap(({ messages }) => messages)).toHaveLength(1);
});

it('is delivered again, with the same id, when the one that sent it was killed before it could note so', async () => {
  const fleet = await startFleet({ twin });
  const { database } = fleet.context;
  let victim = start(['--version']);
  const receiver = await startReceiver((response, count) => {
    if (count === 1) victim.process.kill('SIGKILL');
    else response.writeHead(200).end();
  });
  const environment = {
    DATABASE_URL: database.url,
    SHEAF_ODA_URL: fleet.twin.url,
    SHEAF_NOTIFY_URL: receiver.url,
    SHEAF_NOTIFY_SECRET: secret,
  };
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  await endRun(database, run, failed('broken'));
  victim = start(['worker'], environment);
  expect((await victim.finished).signal).toBe('SIGKILL');
  const next = start(['worker'], environment);
  await next.says(/notification\.delivered/);
  expect(receiver.received.map(({ headers }) => headers.get('webhook-id'))).toEqual([`${run}_1`, `${run}_1`]);
  expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body);
  expect(await rowsOf(fleet)).toMatchObject([{ state: 'delivered', attempts: 2 }]);
  next.process.kill('SIGTERM');
  const { stderr } = await next.finished;
  expect(stderr).not.toContain(secret);
  expect(stderr).not.toContain('/hook');
}, 30_000);

it('lets nothing pile up where nobody is to be told', async () => {
  const fleet = await startFleet({ twin });
  await fleet.harvest('oda/Afstemning');
  const { pool } = fleet.context.database;
  expect(await rowsOf(fleet)).toMatchObject([{ state: 'waiting', attempts: 0 }]);
  await pool.query(`update sheaf.notifications set ended_at = now() - interval '25 hours'`);
  await pruneNotifications(fleet.context.database);
  expect(await rowsOf(fleet)).toEqual([]);
});

it('refuses a webhook without a secret', async () => {
  const { context } = await startFleet({ twin });
  const settings = { ...context.settings, SHEAF_NOTIFY_URL: 'https://example.net/' };
  expect(() => deliverersOf(settings)).toThrow(/needs SHEAF_NOTIFY_SECRET/);
});
