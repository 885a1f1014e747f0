import { describe, expect, it } from 'vitest';
import { canonicalShapeOf } from '../../../src/sources/oda/canonical.ts';

describe('the canonical shape', () => {
  it('of Sag has its five columns', () => {
    const shape = canonicalShapeOf('Sag');
    expect(shape?.columns).toEqual(['id', 'title', 'type', 'status', 'period']);
    expect(shape?.toCanonical({ id: 1, titel: 'T', typeid: 2, statusid: 3, periodeid: 4, resume: 'left out' })).toEqual(
      {
        id: 1,
        title: 'T',
        type: 2,
        status: 3,
        period: 4,
      },
    );
  });

  it('of Aktør has its four columns', () => {
    const shape = canonicalShapeOf('Aktør');
    expect(shape?.columns).toEqual(['id', 'name', 'type', 'party']);
    expect(shape?.toCanonical({ id: 1, navn: 'N', typeid: 5, gruppenavnkort: '' })).toEqual({
      id: 1,
      name: 'N',
      type: 5,
      party: '',
    });
  });

  it('has null for a field that did not come', () => {
    expect(canonicalShapeOf('Aktør')?.toCanonical({ id: 1 })).toEqual({ id: 1, name: null, type: null, party: null });
  });

  it.each(['Stemme', 'sag', 'constructor', ''])('of %s is its own', (entity) => {
    expect(canonicalShapeOf(entity)).toBeNull();
  });
});
