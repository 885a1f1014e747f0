import { expect, it } from 'vitest';
import { launchRun } from '../../src/runtime/harvest.ts';
import { describeEngines } from '../support/engines.ts';
import { scrape, sumOf } from './scrape.ts';
import { startServedFleet } from './setup.ts';

describeEngines('/metrics', (redisUrl) => {
  it('counts what was harvested in this process, and shows the fleet', async () => {
    const fleet = await startServedFleet({ redisUrl });
    const { context, url } = fleet;
    const run = await launchRun(context, fleet.request('oda/Afstemning'));
    const before = await scrape(url);
    expect(sumOf(before, 'sheaf_run_expected_records', { run, dataset: 'oda/Afstemning' })).toBe(250);
    expect(sumOf(before, 'sheaf_run_records', { run })).toBe(0);
    expect(sumOf(before, 'sheaf_slices', { state: 'pending' })).toBeGreaterThan(0);
    expect(sumOf(before, 'sheaf_queue_jobs', { queue: 'sheaf-slices', state: 'waiting' })).toBeGreaterThan(0);
    expect(sumOf(before, 'sheaf_queue_oldest_waiting_seconds', { queue: 'sheaf-slices' })).toBeGreaterThan(0);
    expect(sumOf(before, 'sheaf_workers', { state: 'alive' })).toBe(0);

    const requests: object[] = [];
    context.telemetry.on('request.finished', (event) => requests.push(event));
    const worker = await fleet.startWorker();
    const report = await fleet.ended(run);
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // an answer is kept for so long
    const after = await scrape(url);
    expect(sumOf(after, 'sheaf_requests_total', { source: 'oda', status: '200' })).toBeGreaterThanOrEqual(3);
    expect(sumOf(after, 'sheaf_request_duration_seconds_count', { source: 'oda', status: '200' })).toBe(
      sumOf(after, 'sheaf_requests_total', { source: 'oda', status: '200' }),
    );
    expect(sumOf(after, 'sheaf_records_total', { dataset: 'oda/Afstemning' })).toBe(250);
    expect(sumOf(after, 'sheaf_pages_total', { dataset: 'oda/Afstemning' })).toBe(report.pages);
    expect(sumOf(after, 'sheaf_rejects_total', { dataset: 'oda/Afstemning' })).toBe(0);
    expect(sumOf(after, 'sheaf_merged_records_total', { change: 'inserted' })).toBe(250);
    expect(sumOf(after, 'sheaf_finalise_step_duration_seconds_count', { step: 'merge' })).toBe(1);
    expect(sumOf(after, 'sheaf_run_records', { run })).toBeUndefined();
    expect(sumOf(after, 'sheaf_dataset_last_run', { dataset: 'oda/Afstemning', state: 'complete' })).toBe(1);
    expect(sumOf(after, 'sheaf_queue_oldest_waiting_seconds', { queue: 'sheaf-slices' })).toBe(0);
    expect(sumOf(after, 'sheaf_workers', { state: 'alive' })).toBe(1);
    expect(sumOf(after, 'sheaf_build_info', { engine: redisUrl === undefined ? 'postgres' : 'redis' })).toBe(1);
    expect(sumOf(after, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0);
    expect(sumOf(after, 'sheaf_http_request_duration_seconds_count', { route: '/metrics', status: '200' })).toBe(1);
    // What a slice asked for is logged with its names; the finaliser's count belongs to the run.
    const names = { run, source: 'oda' };
    expect(requests).toContainEqual(expect.objectContaining({ ...names, slice: 1 }));
    expect(requests.filter((request) => !('run' in request))).toEqual([]);
    await worker.stop();
  });
});

it('shows the gate of a source that throttles, and what failed', async () => {
  const fleet = await startServedFleet();
  const { pool } = fleet.context.database;
  await pool.query(
    `insert into sheaf.gates (source, breaker, failures, closed_until, learnt_limit, learnt_kept, learnt_guess, learnt_at)
     values ('oda', 'open', 12, now() + interval '40 seconds', 3.5, 0.97, false, now())`,
  );
  const samples = await scrape(fleet.url);
  expect(sumOf(samples, 'sheaf_gate_breaker', { source: 'oda', breaker: 'open' })).toBe(1);
  expect(sumOf(samples, 'sheaf_gate_breaker', { source: 'oda', breaker: 'closed' })).toBe(0);
  expect(sumOf(samples, 'sheaf_gate_failures_in_row', { source: 'oda' })).toBe(12);
  expect(sumOf(samples, 'sheaf_gate_learnt_requests_per_second', { source: 'oda' })).toBe(3.5);
  expect(sumOf(samples, 'sheaf_gate_closed_seconds', { source: 'oda' })).toBeGreaterThan(30);
});

it('gives series of their own to the newest open runs only', async () => {
  const fleet = await startServedFleet();
  const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  await fleet.context.database.pool.query(
    `insert into sheaf.runs (id, dataset, request, entity, state, source_url, strategy, span, page_size, created_at)
     select 'copy-' || n, dataset, request, entity, 'planning', source_url, strategy, span, page_size,
            created_at + n * interval '1 second'
     from sheaf.runs, generate_series(1, 30) n where id = $1`,
    [run],
  );
  const samples = await scrape(fleet.url);
  expect(samples.filter(({ name }) => name === 'sheaf_run_records')).toHaveLength(20);
  expect(sumOf(samples, 'sheaf_runs', { state: 'planning' })).toBe(30);
});
