import { expect, it } from 'vitest';
import { describeLimits, describeRequest, describeSame } from '../../src/domain/describe-request.ts';
import { type HarvestRequest, REQUEST_DEFAULTS } from '../../src/domain/harvest-request.ts';

const asked = (part: Partial<HarvestRequest>) => ({ ...REQUEST_DEFAULTS, ...part });

it.each<[string, Partial<HarvestRequest>]>([
  ['sweep', {}],
  ['keys-only sweep', { keysOnly: true }],
  ['step', { mode: 'step' }],
  ['step since 2025-01-31T00:00:00', { mode: 'step', since: '2025-01-31T00:00:00' }],
  [
    'sweep, filter typeid eq 2, only id,titel, files csv',
    { filter: 'typeid eq 2', select: ['id', 'titel'], formats: ['csv'] },
  ],
  [
    'sweep, with SagAktør/Aktør, files ndjson,json (nested)',
    { expand: ['SagAktør/Aktør'], formats: ['ndjson', 'json'], relations: 'nested' },
  ],
  ['step, at most 7 records', { mode: 'step', maxRecords: 7 }],
])('a request is worded as: %s', (text, part) => {
  expect(describeRequest(asked(part))).toBe(text);
});

it('says nothing of limits where there are none, and reads requests of older versions', () => {
  expect(describeLimits(asked({ formats: ['csv'] }))).toBe('');
  const { since: _since, expand: _expand, keysOnly: _keysOnly, ...older } = asked({ mode: 'sweep' });
  expect(describeRequest(older as HarvestRequest)).toBe('sweep');
});

it('says what another run must have in common with a step', () => {
  expect(describeSame(asked({ maxRecords: 7 }))).toBe('');
  expect(describeSame(asked({ expand: ['Sagstrin'] }))).toBe(' with these relations');
  const all = asked({ filter: 'id gt 5', select: ['id'], expand: ['Sagstrin'] });
  expect(describeSame(all)).toBe(' with this filter, these fields and these relations');
});
