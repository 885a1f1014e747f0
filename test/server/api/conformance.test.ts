import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { expect, it } from 'vitest';
import { addRejects } from '../../support/rejects.ts';
import { bearer, OPERATOR_TOKEN, startGuardedFleet } from '../security/setup.ts';
import type { ServedFleet } from '../setup.ts';
import { type Contract, openContract, operationsOf } from './contract.ts';

/** What is below `/api` and no operation: the document itself, and its page. */
const DOCUMENTATION = /^\/api\/(?:openapi\.json$|docs(?:\/|$))/;

/** Starts a server, and notes every route below `/api` as Fastify is told of it. */
async function startWithRoutes(): Promise<{ fleet: ServedFleet; routes: string[] }> {
  const routes: string[] = [];
  const note = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', ({ method, url }: RouteOptions) => {
      if (!url.startsWith('/api/') || DOCUMENTATION.test(url)) return;
      const methods = [method].flat().filter((each) => each !== 'HEAD');
      routes.push(...methods.map((each) => `${each} ${url.replaceAll(/:(\w+)/g, '{$1}')}`));
    });
  };
  subscribe('fastify.initialization', note);
  const fleet = await startGuardedFleet();
  unsubscribe('fastify.initialization', note);
  return { fleet, routes };
}

/** Reads and steers real runs, so that every operation has succeeded once and failed once. */
async function exercise(fleet: ServedFleet, contract: Contract): Promise<void> {
  const { ask } = contract;
  await exerciseStart(fleet, contract);
  const { run } = await fleet.harvest('oda/Afstemning', { formats: ['ndjson', 'json', 'csv'] });
  await addRejects(fleet, run, ['{"id":"x"}', 'no JSON']);
  await exerciseReads(contract, run);
  const { rejects } = (await (await ask('GET', '/api/rejects?limit=1')).json()) as { rejects: { id: number }[] };
  await ask('GET', `/api/rejects/${rejects[0]?.id}`);
  await ask('POST', '/api/rejects/replay', { body: { of: run, dryRun: true } });
  await ask('POST', '/api/rejects/replay', { body: { of: 'nothing' } });
  await exerciseSchedules(contract);
}

async function exerciseStart(fleet: ServedFleet, { ask }: Contract): Promise<void> {
  const body = { dataset: 'oda/Afstemning' };
  const started = await ask('POST', '/api/runs', { body, headers: { 'idempotency-key': 'k1' } });
  const { run } = (await started.json()) as { run: string };
  await ask('POST', '/api/runs', { body: { dataset: 'oda/Nonsens' } });
  await ask('POST', '/api/runs', { body: '{' });
  await ask('POST', '/api/runs', { body: { ...body, filter: 'x'.repeat(70_000) } });
  await ask('POST', '/api/runs', { body: 'dataset', headers: { 'content-type': 'text/plain' } });
  await ask('POST', '/api/runs', { body: { dataset: 'oda/Sag' }, headers: { 'idempotency-key': 'k1' } });
  for (const step of ['pause', 'pause', 'resume', 'cancel', 'cancel', 'resume']) {
    await ask('POST', `/api/runs/${run}/${step}`);
  }
  const { run: another } = (await (await ask('POST', '/api/runs', { body })).json()) as { run: string };
  await ask('POST', `/api/runs/${another}/retry`);
  const failed = `update sheaf.runs set state = 'failed', finished_at = now() where id = $1`;
  await fleet.context.database.pool.query(failed, [another]);
  await ask('POST', `/api/runs/${another}/retry`);
  await ask('POST', `/api/runs/${another}/cancel`);
}

async function exerciseReads({ ask }: Contract, run: string): Promise<void> {
  const dataset = '/api/datasets/oda/Afstemning';
  const reads = [
    ...['/api/runs?limit=2&state=complete&state=cancelled&dataset=oda/Afstemning', '/api/runs?cursor=x'],
    ...[`/api/runs/${run}`, '/api/runs/nothing', '/api/runs/%00'],
    ...[`/api/runs/${run}/slices?limit=1&state=done`, `/api/runs/${run}/slices?state=odd`],
    ...[`/api/runs/${run}/exports`, '/api/runs/nothing/exports'],
    ...['ndjson', 'json', 'csv', 'xml'].map((format) => `/api/runs/${run}/exports/${format}`),
    ...[
      '/api/datasets?limit=1',
      '/api/datasets?limit=0',
      dataset,
      '/api/datasets/oda/Nonsens',
      '/api/datasets/oda/%00',
    ],
    ...[
      `${dataset}/records?limit=2&text=vedtaget`,
      `${dataset}/records?format=ndjson`,
      `${dataset}/records?format=csv`,
    ],
    ...[`${dataset}/records?fields=nonsens`, `${dataset}/records/7`, `${dataset}/records/x`],
    ...[`${dataset}/changes?since=2020-01-01T00:00:00Z&limit=3`, `${dataset}/changes?cursor=x`],
    ...['/api/rejects?run=latest&reason=no-key', '/api/rejects?run=nothing', '/api/rejects/4711'],
    ...['/api/workers', '/api/gates', '/api/audit?limit=2', `/api/audit?run=${run}`, '/api/audit?limit=0'],
  ];
  for (const read of reads) await ask('GET', read);
  const { headers } = await ask('GET', `/api/runs/${run}`);
  const again = await ask('GET', `/api/runs/${run}`, { headers: { 'if-none-match': headers.get('etag') ?? '' } });
  expect(again.status).toBe(304);
}

async function exerciseSchedules({ ask }: Contract): Promise<void> {
  const schedules = '/api/schedules';
  const body = { name: 'nightly', cron: '30 2 * * *', datasets: ['oda/Afstemning'] };
  await ask('POST', schedules, { body });
  await ask('POST', schedules, { body: { ...body, cron: 'often' } });
  const span = { from: '2026-03-28T00:00:00Z', to: '2026-03-31T00:00:00Z', dryRun: true };
  for (const name of ['nightly', 'nothing']) {
    await ask('GET', `${schedules}/${name}`);
    for (const step of ['run', 'pause', 'resume']) await ask('POST', `${schedules}/${name}/${step}`);
    await ask('POST', `${schedules}/${name}/backfill`, { body: span });
  }
  await ask('GET', schedules);
  for (const name of ['nightly', 'nothing']) await ask('DELETE', `${schedules}/${name}`);
}

/** Reads without parameters fail only for strangers, or when the database is away. */
const NEVER_FAIL = ['listGates fails', 'listSchedules fails', 'listWorkers fails'];

it('documents every route, and every operation answers as it is documented', async () => {
  const { fleet, routes } = await startWithRoutes();
  const contract = await openContract(fleet.url, bearer(OPERATOR_TOKEN));
  const documented = operationsOf(contract.document).map(({ method, path }) => `${method} ${path}`);
  expect(documented.toSorted()).toEqual(routes.toSorted());
  checkDocument(contract);
  await exercise(fleet, contract);
  for (const { method, path } of operationsOf(contract.document)) {
    await contract.ask(method, path.replaceAll(/\{\w+\}/g, 'x'), { isSignedIn: false });
  }
  expect(contract.missing().toSorted()).toEqual(NEVER_FAIL);
});

/** The rules of OpenAPI 3.1 that a generated document may break, and what ours promises besides. */
function checkDocument({ document }: Contract): void {
  expect(document.openapi).toMatch(/^3\.1\.\d$/);
  const operations = operationsOf(document);
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const tags = document.tags.map(({ name }) => name);
  for (const operation of operations) {
    const { operationId, path, parameters = [], responses } = operation;
    expect.soft(operation, operationId).toMatchObject({
      operationId: expect.stringMatching(/^[a-z][a-zA-Z]+$/) as string,
      summary: expect.stringMatching(/\w/) as string,
      description: expect.stringMatching(/\w/) as string,
    });
    expect.soft(tags, operationId).toEqual(expect.arrayContaining([...operation.tags]));
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const declared = parameters.filter((each) => each.in === 'path');
    expect.soft(declared.map(({ name }) => name).toSorted(), operationId).toEqual(inPath.toSorted());
    expect
      .soft(
        declared.every(({ required }) => required),
        operationId,
      )
      .toBe(true);
    expect.soft(new Set(parameters.map((each) => `${each.in} ${each.name}`)).size).toBe(parameters.length);
    expect.soft(Object.keys(responses), operationId).toEqual(expect.arrayContaining(['401', '403', '500', '503']));
  }
  const text = JSON.stringify(document);
  expect(text).not.toMatch(/"x-/);
  const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map((match) => match[1] ?? '');
  for (const name of references) expect.soft(document.components.schemas).toHaveProperty(name);
  for (const name of Object.keys(document.components.schemas)) expect.soft(references, 'unused').toContain(name);
}
