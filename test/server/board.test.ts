import { expect, it } from 'vitest';
import { listAudit } from '../../src/db/queries/audit.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { describeEngines } from '../support/engines.ts';
import { bearer, OPERATOR_TOKEN, startGuardedFleet, VIEWER_TOKEN } from './security/setup.ts';
import type { ServedFleet } from './setup.ts';

interface Board {
  readonly queues: readonly {
    readonly name: string;
    readonly readOnlyMode: boolean;
    readonly allowRetries: boolean;
    readonly isPaused: boolean;
    readonly counts: Readonly<Record<string, number>>;
    readonly jobs: readonly { readonly id: string }[];
  }[];
}

const JOBS = '/api/queues/sheaf-slices';

function callsTo({ url }: ServedFleet, token: string) {
  const call = (path: string, method = 'GET') => fetch(`${url}/board${path}`, { method, headers: bearer(token) });
  const slices = async (status = 'waiting') => {
    const board = (await (await call(`/api/queues?activeQueue=sheaf-slices&status=${status}`)).json()) as Board;
    const found = board.queues.find(({ name }) => name === 'sheaf-slices');
    if (found === undefined) throw new Error('the queue of slices is not shown');
    return found;
  };
  return { call, slices };
}

describeEngines('Bull Board', (redisUrl) => {
  it('shows the queues and a job, pauses and retries for an operator, and writes down who did it', async () => {
    const fleet = await startGuardedFleet({ redisUrl });
    const { call, slices } = callsTo(fleet, OPERATOR_TOKEN);
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));

    expect((await call(`${JOBS}/pause`, 'PUT')).status).toBe(200);
    const paused = await slices();
    expect(paused).toMatchObject({ isPaused: true, readOnlyMode: false });
    const id = paused.jobs[0]?.id ?? '';
    expect(await (await call(`${JOBS}/${id}`)).json()).toMatchObject({ job: { id, data: { run } }, status: 'waiting' });
    expect((await call(`${JOBS}/resume`, 'PUT')).status).toBe(200);
    expect((await slices()).isPaused).toBe(false);

    await fleet.startWorker();
    const report = await fleet.ended(run);
    expect(report).toMatchObject({ state: 'complete', records: 250 });
    expect((await call(`${JOBS}/${id}/retry`, 'PUT')).status).toBeLessThan(500);
    // The fence: a job that is run again claims nothing, and the run stays as it was.
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 250, requests: report.requests });

    const entries = await listAudit(fleet.context.database, { limit: 10 });
    expect(entries.map(({ action, actor, targetId }) => [action, actor, targetId])).toEqual([
      ['retry', 'deploy', 'sheaf-slices'],
      ['resume', 'deploy', 'sheaf-slices'],
      ['pause', 'deploy', 'sheaf-slices'],
    ]);
    expect(entries[0]).toMatchObject({ via: 'api', details: { job: id } });
  });
});

it('shows viewers everything and lets them change nothing', async () => {
  const fleet = await startGuardedFleet();
  const { call, slices } = callsTo(fleet, VIEWER_TOKEN);
  await launchRun(fleet.context, fleet.request('oda/Afstemning'));
  const shown = await slices();
  expect(shown).toMatchObject({ readOnlyMode: true, allowRetries: false, isPaused: false });
  expect(shown.jobs.length).toBeGreaterThan(0);
  const id = shown.jobs[0]?.id;
  for (const path of [
    `${JOBS}/pause`,
    `${JOBS}/empty`,
    `${JOBS}/obliterate`,
    `${JOBS}/${id}/retry`,
    '/api/queues/pause',
  ])
    expect([path, (await call(path, 'PUT')).status]).toEqual([path, 403]);
  expect(await slices()).toEqual(shown);
  const [refused] = await listAudit(fleet.context.database, { limit: 1 });
  expect(refused).toMatchObject({ actor: 'prometheus', role: 'viewer', action: 'pause', outcome: 'refused' });
});
