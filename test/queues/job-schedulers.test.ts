import { describe, expect, it, onTestFinished } from 'vitest';
import { repeatStrategy } from '../../src/queues/job-schedulers.ts';
import { openQueues, type Queues } from '../../src/queues/queues.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import { describeEngines } from '../support/engines.ts';

const NAME = 'sheaf-schedules';
const scheduler = (schedule: number, cron: string) => ({
  ...{ id: `schedule-${schedule}`, cron, timeZone: 'Europe/Copenhagen', payload: { schedule, round: 0 } },
});

describeEngines('job schedulers', (redisUrl) => {
  const open = async (): Promise<Queues> => {
    const installation = Math.random().toString(36).slice(2);
    const databaseUrl = await freshDatabaseUrl();
    const queues = openQueues({ databaseUrl, redisUrl, installation, onError: () => undefined });
    onTestFinished(() => queues.close());
    return queues;
  };
  /** Collects what comes, and resolves when so many have. */
  const take = async (queues: Queues, count: number): Promise<number[]> => {
    const taken: number[] = [];
    const done = Promise.withResolvers<void>();
    const process = async ({ schedule }: { schedule: number }) => {
      if (taken.push(schedule) === count) done.resolve();
      return 'done';
    };
    const worker = queues.work(NAME, process, { concurrency: 1 });
    await done.promise;
    await worker.close();
    return taken;
  };
  const delayed = async (queues: Queues) => (await queues.counts(NAME))['delayed'];

  it('bring a job each time that is due, and go on by themselves', async () => {
    const queues = await open();
    expect(await queues.keepSchedulers(NAME, [scheduler(7, '* * * * * *')])).toBe(1);
    expect(await take(queues, 2)).toEqual([7, 7]);
  });

  it('are written once, changed when their schedule has, and removed with it', async () => {
    const queues = await open();
    const [one, other] = [scheduler(1, '0 0 1 1 *'), scheduler(2, '0 0 1 2 *')];
    expect(await queues.keepSchedulers(NAME, [one, other])).toBe(2);
    expect(await queues.keepSchedulers(NAME, [one, other])).toBe(0);
    expect(await delayed(queues)).toBe(2);
    expect(await queues.keepSchedulers(NAME, [{ ...one, cron: '0 0 2 1 *' }, other])).toBe(1);
    expect(await queues.keepSchedulers(NAME, [{ ...one, cron: '0 0 2 1 *', timeZone: 'UTC' }])).toBe(1);
    expect(await delayed(queues)).toBe(1);
    expect(await queues.keepSchedulers(NAME, [])).toBe(0);
    expect(await delayed(queues)).toBe(0);
  });

  it('are written for the others when one cannot be read', async () => {
    const queues = await open();
    const wanted = [{ ...scheduler(1, '0 0 1 1 *'), timeZone: 'Mars/Phobos' }, scheduler(2, '0 0 1 2 *')];
    expect(await queues.keepSchedulers(NAME, wanted)).toBe(1);
    expect(await delayed(queues)).toBe(1);
    expect(await queues.keepSchedulers(NAME, wanted)).toBe(0);
  });
});

describe('the time that BullMQ is told', () => {
  it('is ours, and not that of its own reader of cron expressions, when the clock changes', () => {
    const tz = 'Europe/Copenhagen';
    const next = repeatStrategy(Date.parse('2026-03-28T12:00Z'), { pattern: '30 2 * * *', tz });
    expect(new Date(next).toISOString()).toBe('2026-03-29T01:00:00.000Z');
  });

  it('is none when there is none', () => {
    expect(repeatStrategy(0, {})).toBe(0);
    expect(repeatStrategy(0, { pattern: '0 0 30 2 *', tz: 'UTC' })).toBe(0);
    expect(repeatStrategy(0, { pattern: '0 0 * * *', tz: 'Mars/Phobos' })).toBe(0);
  });
});
