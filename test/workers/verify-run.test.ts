import { describe, expect, it } from 'vitest';
import { type LedgerFacts, whatIsBroken } from '../../src/workers/verify-run.ts';

/** What a complete run of a hundred records looks like. */
const whole: LedgerFacts = {
  slices: 4,
  failedSlices: 0,
  openSlices: 0,
  isCovered: true,
  stagedRows: 100,
  ledgerRows: 100,
  distinctKeys: 100,
  rejects: 0,
  countBefore: 100,
  upto: 400,
  rereads: 0,
  rereadSlices: 0,
  isExtended: false,
  missing: 0,
  window: null,
  deletesWithheld: null,
};

describe('what Sheaf itself knows of a run', () => {
  it.each<[string, Partial<LedgerFacts>, boolean]>([
    ['every record is there', {}, false],
    ['some were rejected', { stagedRows: 97, ledgerRows: 97, distinctKeys: 97, rejects: 3 }, false],
    ['overlapping pages staged some twice', { stagedRows: 110, ledgerRows: 110 }, true],
    ['there was nothing', { slices: 0, stagedRows: 0, ledgerRows: 0, distinctKeys: 0, countBefore: 0 }, false],
  ])('leaves it to the source’s count when %s', (_what, changes, mayOverlap) => {
    expect(whatIsBroken({ ...whole, ...changes }, mayOverlap)).toBeNull();
  });

  it.each<[string, Partial<LedgerFacts>, RegExp]>([
    ['a slice failed', { failedSlices: 1 }, /1 of 4 slices failed/],
    ['a slice has not settled', { openSlices: 2 }, /2 of 4 slices have not settled/],
    ['the slices leave a gap', { isCovered: false }, /without a gap/],
    [
      'a key came twice where ranges do not overlap',
      { distinctKeys: 99 },
      /1 rows are staged under a key that is staged already/,
    ],
  ])('proves nothing when %s, and says so', (_what, changes, reason) => {
    expect(whatIsBroken({ ...whole, ...changes }, false)).toMatch(reason);
  });
});
