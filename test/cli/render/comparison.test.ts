import { expect, it } from 'vitest';
import { describeRepair, renderComparison } from '../../../src/cli/render/comparison.ts';
import type { Comparison, Difference } from '../../../src/domain/comparison.ts';
import type { RunReport } from '../../../src/domain/report.ts';

const range: Difference = {
  ...{ after: 0, upto: 100, foundBy: 'count', source: 99, copy: 100 },
  ...{ lacking: null, gone: null, edited: null },
};
const comparison: Comparison = {
  ...{ dataset: 'oda/Sag', state: 'differs', strategy: 'keyset', differences: [range], isBounded: false },
  ...{ counts: { source: 99, copy: 100, rejected: 0 }, unplaced: { source: 0, copy: 0 }, requests: 2, pageSize: 100 },
  sampled: { pages: 0, ofPages: 0, records: 0, detectableShare: 0 },
  lastInStep: null,
  repair: null,
};

it('says of a step that there is what it cannot see, and of a sweep that the copy was in step', () => {
  const after = (kind: 'sweep' | 'step') =>
    renderComparison({ ...comparison, lastInStep: { run: 'r1', kind, at: '2026-11-21T10:00:00.000Z' } });
  expect(after('sweep')).toContain('the copy was last in step at 2026-11-21 10:00 UTC (sweep r1)');
  expect(after('step')).toMatch(
    /changes were last brought at .* \(step r1\), but deletes and edits .* no step can see/,
  );
  expect(after('step')).not.toContain('in step at');
});

it('says why ranges differ once they were repaired', () => {
  const told = (part: Partial<RunReport>) =>
    describeRepair('oda/Sag', { run: { deletesWithheld: null, ...part } as RunReport, left: [range, range] });
  expect(told({ state: 'complete' })).toMatch(/^2 ranges still differ: the source changes/);
  expect(told({ state: 'partial', reason: 'why', deletesWithheld: 'why' })).toMatch(
    /because nothing was marked as deleted/,
  );
  expect(told({ state: 'partial', reason: 'other' })).toMatch(/the source changes/);
  expect(told({ state: 'failed', reason: 'other' })).toMatch(/^Nothing was written to the table/);
});
