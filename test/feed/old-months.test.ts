import { describe, expect, it } from 'vitest';
import { renderSubscriptions } from '../../src/cli/render/feed.ts';
import { maintainChanges } from '../../src/db/queries/changes.ts';
import { pauseSubscription, replaySubscription, resumeSubscription } from '../../src/db/queries/subscriptions.ts';
import { merge, openFeeder, openLedger, progressOf, reportOf, subscribe, toldIn } from './setup.ts';

const SAG = 'oda/Sag';

describe('old months of changes', () => {
  it('are held for whoever has not had them, for a while; then its feed stops, and says so, until it is set anew', async () => {
    const ledger = await openLedger(SAG, 'oda/Other');
    const { pool } = ledger.database;
    await pool.query(`update sheaf.installation set changes_from = '2020-01-01Z'`);
    for (const month of ['2020_01', '2020_02', '2020_03']) {
      const [from, to] = [`${month.replace('_', '-')}-01Z`, `2020-0${Number(month.slice(-1)) + 1}-01Z`];
      await pool.query(
        `create table sheaf.changes_${month} partition of sheaf.changes for values from ('${from}') to ('${to}')`,
      );
    }
    const note = (at: string, key: string) =>
      pool.query(`insert into sheaf.changes (at, dataset, key, kind, run_id) values ($1, $2, $3, 'insert', 'r')`, [
        at,
        SAG,
        key,
      ]);
    await note('2020-02-10Z', '1');
    await merge(ledger, SAG, { 2: { id: 2 } });
    await subscribe(ledger, 'index');

    const century = { months: 1, held: 1_200 };
    expect(await maintainChanges(ledger.database, century)).toEqual({
      dropped: ['changes_2020_01'],
      held: 'changes_2020_02',
      postponed: null,
      gaps: [],
    });
    await pauseSubscription(ledger.database, 1, null);
    expect(await maintainChanges(ledger.database, century)).toMatchObject({ dropped: [], held: 'changes_2020_02' });
    await resumeSubscription(ledger.database, 1);

    const merging = await pool.connect();
    await merging.query('begin');
    await merging.query('lock table sheaf.changes in row exclusive mode');
    const nothing = { dropped: [], held: null, postponed: 'changes_2020_02', gaps: [] };
    expect(await maintainChanges(ledger.database, { months: 1, held: 6 })).toEqual(nothing); // not while a merge is under way
    await merging.query('rollback');
    merging.release();
    expect(await maintainChanges(ledger.database, { months: 1, held: 6 })).toEqual({
      dropped: ['changes_2020_02', 'changes_2020_03'],
      held: null,
      postponed: null,
      gaps: [{ subscription: 'index', dataset: SAG }],
    });
    const { feeder, messages } = await openFeeder(ledger);
    await feeder.tend();
    expect(messages).toEqual([]);
    expect((await reportOf(ledger, 'index')).state).toBe('gap');
    expect((await progressOf(ledger, 'index', SAG)).gapAt).not.toBeNull();
    expect(renderSubscriptions([await reportOf(ledger, 'index')], 10)).toMatch(
      /^index: .* First: sheaf feed replay index --from now oda\/Sag\. Then have it read them anew/m,
    );
    await replaySubscription(ledger.database, 1, { from: 'start', datasets: [SAG] });
    await feeder.tend();
    expect(toldIn(messages).map(({ key }) => key)).toEqual(['2']);
    expect((await reportOf(ledger, 'index')).state).toBe('active');
  });
});
