import { describe, expect, it } from 'vitest';
import { planHarvest, planRun } from '../../src/producer/plan-run.ts';
import { generateData } from '../../src/twin/generated-data.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { startFleet } from '../support/fleet.ts';
import { range, votes } from '../support/rows.ts';

describe('planning', () => {
  it('asks the source a few things, however much there is, and writes nothing', async () => {
    const data = generateData({ seed: 3, scale: 0.05, entities: ['Stemme'] });
    const { context, request, twin } = await startFleet({ twin: { dataset: data } });
    const plan = await planHarvest(context, request('oda/Stemme'));
    expect(plan.survey).toMatchObject({ strategy: 'keyset', expected: 91_975, pageSize: 100 });
    expect(plan.pages).toBe(920);
    expect(plan.slices).toHaveLength(46);
    expect(twin.requests.length).toBeLessThan(6);
    expect((await context.database.pool.query('select from sheaf.runs')).rowCount).toBe(0);
  });

  it('writes the run, its slices without a gap, and seals it', async () => {
    const { context, request } = await startFleet({
      twin: { dataset: inlineData({ Afstemning: votes(range(11, 700)) }) },
    });
    const run = await planRun(context, request('oda/Afstemning'));
    const { rows } = await context.database.pool.query(
      `select r.state, r.sealed_at is not null as sealed, r.slice_count, r.expected, r.span,
              (select count(*) from sheaf.slices s where s.run_id = r.id and s.state = 'pending') as pending
       from sheaf.runs r where r.id = $1`,
      [run],
    );
    expect(rows).toEqual([
      { state: 'fetching', sealed: true, slice_count: 7, expected: 690, span: { after: 10, upto: 700 }, pending: 7 },
    ]);
  });

  it('notes how large a dataset is, also when only a part of it is harvested first', async () => {
    const { context, request } = await startFleet({ twin: { dataset: inlineData({ Afstemning: votes([1, 2, 3]) }) } });
    await planRun(context, request('oda/Afstemning', { maxRecords: 1 }));
    const { rows } = await context.database.pool.query('select name, expected from sheaf.datasets');
    expect(rows).toEqual([{ name: 'oda/Afstemning', expected: 3 }]);
  });

  it('leaves a run failed, and not planning for ever, when its plan cannot be written', async () => {
    const { context, request } = await startFleet({ twin: { dataset: inlineData({ Afstemning: votes([1, 2]) }) } });
    await context.database.pool.query('alter table sheaf.slices add constraint none check (false)');
    await expect(planRun(context, request('oda/Afstemning'))).rejects.toThrow(/none/);
    const { rows } = await context.database.pool.query('select state, reason from sheaf.runs');
    expect(rows).toEqual([{ state: 'failed', reason: 'its plan could not be written' }]);
  });
});
