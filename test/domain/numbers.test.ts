import { expect, it } from 'vitest';
import { bytes, count, duration, plural } from '../../src/domain/numbers.ts';

it('counts are whole, and have a comma between thousands', () => {
  const asked = [0, 7, 999, 1_000, 61_204, 1_234_567, 123_456_789, -1_234, 0.4, 999.5];
  expect(asked.map(count)).toEqual(
    ['0', '7', '999', '1,000', '61,204', '1,234,567', '123,456,789', '-1,234', '0', '1,000'], // as Intl writes them
  );
  for (const value of asked) expect(count(value)).toBe(new Intl.NumberFormat('en-GB').format(Math.round(value)));
});

it('a noun stands in the plural for all numbers but one', () => {
  expect([0, 1, 2, 1_000].map((value) => plural(value, 'page'))).toEqual([
    '0 pages',
    '1 page',
    '2 pages',
    '1,000 pages',
  ]);
});

it('durations are as exact as people want to know them', () => {
  expect([400, 12_000, 185_000, 7_380_000].map(duration)).toEqual(['0.4 s', '12 s', '3 min 5 s', '2 h 3 min']);
});

it('bytes have the unit that leaves one to three digits', () => {
  expect([0, 812, 1_400, 36_000_000].map(bytes)).toEqual(['0 B', '812 B', '1.4 kB', '36.0 MB']);
});
