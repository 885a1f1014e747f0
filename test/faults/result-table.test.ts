import { expect, it } from 'vitest';
import { neverStruck } from './result-table.ts';

const kindOf = (runs: number, strikes: number) => ({ kind: 'kill-worker' as const, runs, strikes, failures: 0 });

it('a kind of fault that struck nobody in many runs is told; not one that a few runs passed by', () => {
  expect(neverStruck({ kinds: [kindOf(8, 0)] })).toEqual(['kill-worker']);
  expect(neverStruck({ kinds: [kindOf(7, 0), kindOf(50, 1)] })).toEqual([]);
});
