import { expect, it } from 'vitest';
import { AUDIT_DAYS, listAudit, pruneAudit } from '../../src/db/queries/audit.ts';
import type { Actor } from '../../src/domain/actor.ts';
import { createRunActions } from '../../src/runtime/actions.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { sheaf } from '../support/command.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

const ada: Actor = { name: 'ada', role: 'operator', via: 'api', address: '192.0.2.7' };
const startSmall = () => startFleet({ twin: { dataset: inlineData({ Afstemning: votes(range(1, 30)) }) } });
const entriesOf = ({ context }: Fleet) => listAudit(context.database, { limit: 50 });

it('writes down who started, paused, resumed and cancelled a run, and what was refused', async () => {
  const fleet = await startSmall();
  const actions = createRunActions(fleet.context);
  const id = await actions.start(fleet.request('oda/Afstemning', { filter: 'typeid eq 1' }), ada);
  const run = () => findRun(fleet.context, id);
  await actions.pause(await run(), ada);
  await actions.resume(await run(), ada);
  await actions.cancel(await run(), ada);
  await expect(actions.retry(await run(), ada)).rejects.toMatchObject({ code: 'cannot-retry' });

  const entries = await entriesOf(fleet);
  expect(entries.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    'retry refused',
    'cancel done',
    'resume done',
    'pause done',
    'start done',
  ]);
  const who = { actor: 'ada', role: 'operator', via: 'api', address: '192.0.2.7', targetKind: 'run', targetId: id };
  expect(entries).toEqual(entries.map(() => expect.objectContaining(who)));
  expect(entries[0]?.details).toMatchObject({ code: 'cannot-retry' });
  expect(entries.at(-1)?.details).toMatchObject({ dataset: 'oda/Afstemning', filter: 'typeid eq 1' });
});

it('writes down a start that was refused, with the dataset that was asked for', async () => {
  const fleet = await startSmall();
  const request = fleet.request('oda/Nothing');
  await expect(createRunActions(fleet.context).start(request, ada)).rejects.toMatchObject({ code: 'unknown-entity' });
  expect(await entriesOf(fleet)).toEqual([
    expect.objectContaining({ action: 'start', outcome: 'refused', targetKind: 'dataset', targetId: 'oda/Nothing' }),
  ]);
});

it('writes down what is done at the command line, by user and machine', async () => {
  const fleet = await startSmall();
  const environment = { DATABASE_URL: fleet.context.database.url, SHEAF_ODA_URL: fleet.twin.url, SHEAF_OUT: fleet.out };
  const harvest = await sheaf(['harvest', 'oda/Afstemning', '--detach'], environment);
  expect(harvest.code).toBe(0);
  expect((await sheaf(['cancel', 'latest'], environment)).code).toBe(0);
  const entries = await entriesOf(fleet);
  expect(entries.map(({ action }) => action)).toEqual(['cancel', 'start']);
  expect(entries[0]).toMatchObject({ actor: expect.stringMatching(/^[^@]+@.+/), via: 'cli', address: null });
});

it('forgets what is older than the log is kept', async () => {
  const { context } = await startSmall();
  await context.database.pool.query(
    `insert into sheaf.audit (at, actor, via, action, outcome)
     select now() - make_interval(days => days), 'ada', 'cli', 'start', 'done' from unnest($1::int[]) days`,
    [[AUDIT_DAYS - 1, AUDIT_DAYS + 1]],
  );
  await pruneAudit(context.database, AUDIT_DAYS);
  expect(await listAudit(context.database, { limit: 50 })).toHaveLength(1);
});
