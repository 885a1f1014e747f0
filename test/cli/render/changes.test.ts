import { expect, it } from 'vitest';
import { renderNothing, renderSummary } from '../../../src/cli/render/changes.ts';

const summary = { counts: { insert: 1_000, update: 0, delete: 5 }, knownFrom: new Date(0) };

it('sums up what was asked for, and nothing else', () => {
  expect(renderSummary(summary, null)).toBe('1,000 inserted, 0 updated, 5 deleted');
  expect(renderSummary(summary, 'delete')).toBe('5 deleted');
  expect(renderSummary(summary, 'update')).toBe('0 updated');
});

it('says where there is nothing', () => {
  const filter = { dataset: 'oda/Sag', since: null, run: null, kind: null };
  const asked = { since: null, run: null };
  const since = new Date(0);
  expect(renderNothing(filter, asked)).toBe('Nothing has changed in oda/Sag.');
  expect(renderNothing({ ...filter, since, kind: 'insert' }, { since, run: null })).toBe(
    'Nothing has been inserted in oda/Sag since then.',
  );
  expect(renderNothing({ ...filter, run: 'r1' }, { since: null, run: 'latest' })).toBe(
    'Run r1 has changed nothing in oda/Sag.',
  );
  expect(renderNothing({ ...filter, run: 'r1', kind: 'update' }, asked)).toBe(
    'Run r1, the last that changed oda/Sag, has updated nothing.',
  );
});
