import { expect, it } from 'vitest';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Running, sheaf, start } from '../support/command.ts';
import { describeEngines } from '../support/engines.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { freePort } from '../support/free-port.ts';
import { range, votes } from '../support/rows.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts';

const twin = { dataset: inlineData({ Afstemning: votes(range(1, 2_000)) }) };

function environmentOf(fleet: Fleet, redisUrl: string | undefined, endpoint: string): Record<string, string> {
  return {
    DATABASE_URL: fleet.context.database.url,
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
    SHEAF_ODA_URL: fleet.twin.url,
    SHEAF_OUT: fleet.out,
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  };
}

async function stopped(running: Running): Promise<void> {
  running.process.kill('SIGTERM');
  expect((await running.finished).code).toBe(0);
}

/** The names from the root down to a span. */
function pathOf(spans: readonly ReceivedSpan[], span: ReceivedSpan): string[] {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  if (parent === undefined) return [...(span.parentSpanId === '' ? [] : ['(unknown)']), span.name];
  return [...pathOf(spans, parent), span.name];
}

describeEngines('traces', (redisUrl) => {
  it('make one tree of a run, whichever processes worked it, even when the queue lost its jobs', async () => {
    const receiver = await startOtlpReceiver();
    const fleet = await startFleet({ redisUrl, twin });
    const environment = {
      ...environmentOf(fleet, redisUrl, receiver.endpoint),
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc',
      SHEAF_CONCURRENCY: '1', // so that both workers get something to do
    };
    const planned = await sheaf(['harvest', 'oda/Afstemning', '--detach', '--format', 'none', '--json'], environment);
    const { run } = JSON.parse(planned.stdout) as { run: string };
    await loseJobs(fleet);
    const workers = [start(['worker'], environment), start(['worker'], environment)];
    const report = await fleet.ended(run);
    expect(report.state).toBe('complete');
    await Promise.all(workers.map(stopped));
    checkTree(receiver, run, report.pages);
    expect(receiver.headers.every(({ authorization }) => authorization === 'Bearer abc')).toBe(true);
  }, 60_000);
});

/** Empties the queue, and lets time pass as far as the reconciler can tell. */
async function loseJobs({ context }: Fleet): Promise<void> {
  const thrownAway = context.queues.work('sheaf-slices', async () => 'lost', { concurrency: 8 });
  await expect.poll(async () => (await context.queues.counts('sheaf-slices'))['waiting'], { timeout: 10_000 }).toBe(0);
  await thrownAway.close();
  await context.database.pool.query(
    `update sheaf.slices set updated_at = now() - interval '1 minute', due_at = now() - interval '1 minute'`,
  );
}

function checkTree({ spans }: OtlpReceiver, run: string, pages: number): void {
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(['sheaf']));
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  const of = (name: string) => spans.filter((span) => span.name === name);
  const paths = (name: string) => new Set(of(name).map((span) => pathOf(spans, span).join(' > ')));
  const [root, ...others] = of('run');
  expect(others).toEqual([]);
  expect(root).toMatchObject({ parentSpanId: '', status: 0 });
  expect(root?.attributes).toMatchObject({
    'sheaf.run': run,
    'sheaf.dataset': 'oda/Afstemning',
    'sheaf.source': 'oda',
    'sheaf.state': 'complete',
    'sheaf.records': 2_000,
    'sheaf.pages': pages,
  });
  expect(paths('plan')).toEqual(new Set(['run > plan']));
  const slice = 'run > process sheaf-slices > slice';
  expect(paths('slice')).toEqual(new Set([slice]));
  expect(paths('page')).toEqual(new Set([`${slice} > page`]));
  expect(paths('store')).toEqual(new Set([`${slice} > page > store`]));
  expect(paths('request')).toContain(`${slice} > page > request`);
  expect(paths('merge')).toEqual(new Set(['run > process sheaf-finalise > finalise > merge']));
  expect(of('page')).toHaveLength(pages);
  expect(of('page')[0]?.attributes).toMatchObject({
    'sheaf.run': run,
    'sheaf.slice': expect.any(Number),
    'sheaf.source': 'oda',
  });
  expect(of('request')[0]?.attributes).toMatchObject({ 'sheaf.source': 'oda', 'http.response.status_code': 200 });
  const stored = of('store').reduce((sum, { attributes }) => sum + Number(attributes['sheaf.records']), 0);
  expect(stored).toBe(2_000);
  // A slice that two reconcilers added anew has a job that finds nothing to claim.
  const outcomes = new Set(of('slice').map(({ attributes }) => attributes['sheaf.outcome']));
  expect(outcomes.difference(new Set(['staged', 'abandoned']))).toEqual(new Set());
}

it('are lost without a trace while nobody takes them: the harvest does not mind, and ends in time', async () => {
  const fleet = await startFleet({ twin });
  const environment = environmentOf(fleet, undefined, `http://127.0.0.1:${await freePort()}`);
  const startedAt = performance.now();
  const { code, stdout } = await sheaf(['harvest', 'oda/Afstemning', '--format', 'none', '--json'], environment);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ state: 'complete', records: 2_000 });
  expect(performance.now() - startedAt).toBeLessThan(20_000);
}, 30_000);
