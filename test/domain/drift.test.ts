import { describe, expect, it } from 'vitest';
import { compareFields, type Drift, describeDrift, driftKinds } from '../../src/domain/drift.ts';
import type { Field, FieldType } from '../../src/domain/record.ts';

const field = (name: string, type: FieldType, isNullable = false): Field => ({ name, type, isNullable });
const entity = (fields: readonly Field[], keyField = 'id') => ({ keyField, fields });
const id = field('id', 'integer');

describe('metadata held against those of before', () => {
  it('say nothing when only their order has changed', () => {
    const titel = field('titel', 'text', true);
    expect(compareFields(entity([id, titel]), entity([titel, id]))).toEqual([]);
  });

  it('tell fields that are new, gone, retyped, and another key', () => {
    const before = entity([id, field('a', 'text'), field('b', 'integer'), field('c', 'integer')]);
    const now = entity([id, field('b', 'integer', true), field('c', 'bigint'), field('d', 'date')], 'd');
    expect(compareFields(before, now).map(({ kind, field: name, was, is }) => [kind, name, was, is])).toEqual([
      ['new', 'd', null, 'date'],
      ['gone', 'a', 'text', null],
      ['retyped', 'b', 'integer', 'integer or null'],
      ['retyped', 'c', 'integer', 'bigint'],
      ['other-key', 'd', 'id', 'd'],
    ]);
  });
});

it('every kind of drift can be told to a person', () => {
  const of = (kind: Drift['kind']) => describeDrift({ kind, field: 'vægt', was: 'text', is: 'date', key: '7' });
  const texts = driftKinds.map(of);
  expect(new Set(texts).size).toBe(driftKinds.length);
  for (const text of texts) expect(text).not.toMatch(/null|undefined/);
});
