import { describe, expect, it } from 'vitest';
import { readOrder, WrongOrder } from '../../bench/order.ts';
import { findPrograms } from '../../bench/programs.ts';

describe('an order for the bench', () => {
  it('has defaults that depend on the case', () => {
    expect(readOrder([])).toMatchObject({
      case: 'compare',
      rows: [200_000],
      rounds: 5,
      latencyMs: 0,
      concurrency: null,
    });
    expect(readOrder(['--quick'])).toMatchObject({ rows: [2_000], rounds: 1, phases: ['cold', 'warm', 'changed'] });
    expect(readOrder(['--case', 'growth', '--rows', '10,20'])).toMatchObject({ rows: [10, 20], rounds: 1 });
    expect(readOrder(['--case', 'latency'])).toMatchObject({ latencyMs: 100, phases: ['cold'] });
    expect(readOrder(['--case', 'start'])).toMatchObject({ rows: [2_000], rounds: 5 });
    expect(readOrder(['--case', 'costs'])).toMatchObject({ rows: [200_000], rounds: 3, programs: [] });
    expect(readOrder(['--help'])).toBeNull();
  });

  it.each([
    ['--case', 'fast'],
    ['--rows', '0'],
    ['--rows', '10,x'],
    ['--rounds', '-1'],
    ['--programs', 'airbyte'],
    ['--phases', 'warm'],
    ['--speed', '9'],
  ])('is refused with %s %s, which makes no sense', (...options) => {
    expect(() => readOrder(options)).toThrow(WrongOrder);
    expect(() => readOrder(options)).toThrow(options[0]);
  });

  it('leaves out what cannot run here, and says why', () => {
    const said: string[] = [];
    const scripts = { byHand: '/nowhere/by_hand.mjs', celery: '/nowhere/celery_reference.py' };
    const programs = findPrograms(['sheaf-postgres', 'by-hand', 'celery'], scripts, (reason) => said.push(reason));
    expect(programs.map(({ name }) => name)).toEqual(['sheaf-postgres']);
    expect(said).toEqual([
      'by-hand is left out: there is no /nowhere/by_hand.mjs.',
      'celery is left out: there is no /nowhere/celery_reference.py.',
    ]);
  });
});
