import { describe, expect, it } from 'vitest';
import { replaySubscription } from '../../src/db/queries/subscriptions.ts';
import { merge, openFeeder, openLedger, openMerge, subscribe, toldIn } from './setup.ts';

const SAG = 'oda/Sag';
const NEW = 'oda/Ny';
const all = { datasets: null };

describe('where a subscriber begins', () => {
  it('tells a merge that was under way, of whoever begins with now or a moment, whatever the clock says', async () => {
    const ledger = await openLedger(SAG, NEW);
    await merge(ledger, SAG, { 1: { id: 1 } });
    for (const name of ['gone-on-now', 'gone-on-moment']) await subscribe(ledger, name);
    const before = await openFeeder(ledger);
    await before.feeder.tend();
    const open = [await openMerge(ledger, SAG, { 2: { id: 2 } }), await openMerge(ledger, NEW, { 3: { id: 3 } })];
    const { rows } = await ledger.database.pool.query<{ now: Date }>(`select now() + interval '1 ms' as now`);
    const moment = rows[0]?.now ?? new Date();
    await replaySubscription(ledger.database, 1, { from: 'now', ...all });
    await replaySubscription(ledger.database, 2, { from: moment, ...all });
    await subscribe(ledger, 'new-now', { from: 'now' });
    await subscribe(ledger, 'new-moment', { from: moment });
    const { feeder, messages } = await openFeeder(ledger);
    await feeder.tend();
    expect(messages).toEqual([]); // nothing is told before it is merged, and nothing of before again
    for (const { commit } of open) await commit();
    await feeder.tend();
    const keysOf = (name: string) =>
      toldIn(messages.filter((each) => each.subscription === name)).map(({ key }) => key);
    for (const name of ['gone-on-now', 'gone-on-moment', 'new-now', 'new-moment'])
      expect([name, keysOf(name).toSorted()]).toEqual([name, ['2', '3']]);
  });

  it('tells merges in order whatever the clock does, each later than the one before', async () => {
    const ledger = await openLedger(SAG);
    await subscribe(ledger, 'index');
    await merge(ledger, SAG, { 1: { id: 1, titel: 'first' } });
    await ledger.database.pool.query(`update sheaf.datasets set merged_at = '2100-01-01T00:00:00.000001Z'`);
    await ledger.database.pool.query(`create table sheaf.changes_2100_01 partition of sheaf.changes
                                      for values from ('2100-01-01Z') to ('2100-02-01Z')`);
    const { feeder, messages } = await openFeeder(ledger);
    await feeder.tend();
    await merge(ledger, SAG, { 1: { id: 1, titel: 'second' } });
    await feeder.tend();
    await merge(ledger, SAG, { 1: { id: 1, titel: 'third' } });
    await feeder.tend();
    const told = toldIn(messages);
    expect(told.map(({ data }) => data?.['titel'])).toEqual(['first', 'second', 'third']);
    expect(told.slice(1).map(({ at }) => at)).toEqual(['2100-01-01T00:00:00.000002Z', '2100-01-01T00:00:00.000003Z']);
  });
});
