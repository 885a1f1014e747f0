import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/domain/errors.ts';
import { createOdaSource } from '../../src/sources/oda/oda-source.ts';
import { createRegistry } from '../../src/sources/registry.ts';

const oda = createOdaSource({ baseUrl: 'https://oda.ft.dk/api' });

describe('the registry', () => {
  it('finds a source by its name', () => {
    const registry = createRegistry([oda]);
    expect(registry.names).toEqual(['oda']);
    expect(registry.findSource('oda')).toBe(oda);
  });

  it('names the sources there are, and the nearest, for an unknown one', () => {
    const registry = createRegistry([oda, { ...oda, name: 'github' }]);
    expect(() => registry.findSource('odda')).toThrow(UsageError);
    expect(() => registry.findSource('odda')).toThrow(
      'There is no source "odda". Did you mean "oda"? There is: oda, github.',
    );
    expect(() => createRegistry([]).findSource('oda')).toThrow('There is none.');
  });

  it('is not fooled by names that every object has', () => {
    expect(() => createRegistry([oda]).findSource('constructor')).toThrow(UsageError);
  });

  it('refuses two sources of one name', () => {
    expect(() => createRegistry([oda, oda])).toThrow(expect.objectContaining({ code: 'duplicate-source' }));
  });
});
