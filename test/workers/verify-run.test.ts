import { describe, expect, it } from 'vitest';
import { whatIsMissing } from '../../src/workers/verify-run.ts';

type Facts = Parameters<typeof whatIsMissing>[0];

/** What a complete run of a hundred records looks like. */
const whole: Facts = {
  slices: 4,
  failedSlices: 0,
  openSlices: 0,
  isCovered: true,
  stagedRows: 100,
  ledgerRows: 100,
  distinctKeys: 100,
  rejects: 0,
  countBefore: 100,
  countAfter: 100,
};

describe('the proof of completeness', () => {
  it.each<[string, Partial<Facts>, boolean]>([
    ['every record is there', {}, false],
    ['some were rejected', { stagedRows: 97, ledgerRows: 97, distinctKeys: 97, rejects: 3 }, false],
    ['overlapping pages staged some twice', { stagedRows: 110, ledgerRows: 110 }, true],
    ['records came while it ran', { countAfter: 105 }, false],
    ['records went while it ran', { countBefore: 103, stagedRows: 101, ledgerRows: 101, distinctKeys: 101 }, false],
    [
      'there was nothing',
      { slices: 0, stagedRows: 0, ledgerRows: 0, distinctKeys: 0, countBefore: 0, countAfter: 0 },
      false,
    ],
  ])('holds when %s', (_what, changes, mayOverlap) => {
    expect(whatIsMissing({ ...whole, ...changes }, mayOverlap)).toBeNull();
  });

  it.each<[string, Partial<Facts>, RegExp]>([
    ['a slice failed', { failedSlices: 1 }, /1 of 4 slices failed/],
    ['a slice has not settled', { openSlices: 2 }, /2 of 4 slices have not settled/],
    ['the slices leave a gap', { isCovered: false }, /without a gap/],
    [
      'a key came twice where ranges do not overlap',
      { distinctKeys: 99 },
      /1 rows are staged under a key that is staged already/,
    ],
    ['the source does not count', { countAfter: null }, /does not say how many/],
    ['fewer came than there were', { stagedRows: 98, ledgerRows: 98, distinctKeys: 98 }, /counts 100, but 98 came/],
    [
      'more came than there ever were',
      { countBefore: 90, countAfter: 95 },
      /counts 90 before and 95 after, but 100 came/,
    ],
  ])('does not hold when %s, and says so', (_what, changes, reason) => {
    expect(whatIsMissing({ ...whole, ...changes }, false)).toMatch(reason);
  });
});
