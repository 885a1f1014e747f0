import { describe, expect, it } from 'vitest';
import { didYouMean, listNames, nearest } from '../../src/domain/nearest.ts';

const names = ['Sag', 'SagAktør', 'Aktør', 'Afstemning', 'Afstemningstype'];

describe('nearest', () => {
  it.each([
    ['Aktor', 'Aktør'],
    ['aktør', 'Aktør'],
    ['AFSTEMING', 'Afstemning'],
    ['sag', 'Sag'],
    ['SagAktor', 'SagAktør'],
  ])('takes %s for %s', (asked, expected) => {
    expect(nearest(asked, names)).toBe(expected);
  });

  it.each(['Dokument', 'xyzzyplugh', 'Q'.repeat(50)])('finds nothing near %s', (asked) => {
    expect(nearest(asked, names)).toBeUndefined();
  });

  it('finds nothing among nothing', () => {
    expect(nearest('Sag', [])).toBeUndefined();
  });
});

describe('didYouMean', () => {
  it('is a sentence to append, or nothing', () => {
    expect(didYouMean('Aktor', names)).toBe(' Did you mean "Aktør"?');
    expect(didYouMean('Dokument', names)).toBe('');
  });
});

describe('listNames', () => {
  it('is cut when it is long', () => {
    expect(listNames(names)).toBe('Sag, SagAktør, Aktør, Afstemning, Afstemningstype');
    expect(listNames(names, 2)).toBe('Sag, SagAktør and 3 more');
    expect(listNames([])).toBe('');
  });
});
