import { describe, expect, it } from 'vitest';
import type { Entity, FieldType } from '../../src/domain/record.ts';
import { observeFields } from '../../src/sources/observe-fields.ts';

const entity = (type: FieldType, isNullable = false): Entity => ({
  name: 'Ting',
  keyField: 'id',
  timestampField: null,
  fields: [
    { name: 'id', type: 'integer', isNullable: false },
    { name: 'a', type, isNullable },
    { name: 'b', type: 'text', isNullable: true },
  ],
  relations: [],
});

const everything = { filter: null, select: null, maxRecords: null };

function observe(rows: readonly unknown[], { of = entity('text'), select = null as readonly string[] | null } = {}) {
  const query = { entity: of, selection: { ...everything, select } };
  return observeFields(rows, query, (name) => !name.startsWith('@')).map(({ kind, field, is, key }) => [
    kind,
    field,
    is,
    key,
  ]);
}

describe('rows that are as the metadata say', () => {
  it.each<[FieldType, readonly unknown[]]>([
    ['boolean', [true, false]],
    ['smallint', [0, -32768, 32767]],
    ['integer', [0, -(2 ** 31), 2 ** 31 - 1]],
    ['bigint', [2 ** 53, '9007199254740993', '-1']],
    ['numeric', [1.5, '1.50', 3]],
    ['double', [1.5, 'NaN', '-INF', 1e300]],
    ['text', ['', 'x']],
    ['timestamp', ['2014-09-19T14:41:02.653', '2014-09-19T00:00:00']],
    ['timestamptz', ['2014-09-19T14:41:02Z']],
    ['date', ['2014-09-19']],
    ['uuid', ['7b0c1c52-6d0f-4c1c-9a51-0d7f1c0a0b11']],
    ['json', [{}, [], 1, 'x']],
  ])('are no drift: %s', (type, values) => {
    const rows = values.map((a, index) => ({ id: index, a, b: null }));
    expect(observe(rows, { of: entity(type) })).toEqual([]);
  });

  it('are no drift in whatever order their fields come, nor with notes among them', () => {
    const rows = [
      { id: 1, a: 'x', b: 'y' },
      { b: 'y', id: 2, a: 'x' },
      { b: 'y', '@type': 'z', id: 3, a: 'x' },
      { id: 4, a: 'x', b: null },
    ];
    expect(observe(rows)).toEqual([]);
  });
});

describe('rows that are not', () => {
  it.each<[FieldType, unknown, string]>([
    ['integer', '7', 'text'],
    ['integer', 1.5, 'a number'],
    ['integer', 2 ** 31, 'a whole number'],
    ['smallint', 32768, 'a whole number'],
    ['bigint', 'x', 'text'],
    ['numeric', 'x', 'text'],
    ['double', true, 'boolean'],
    ['boolean', 'true', 'text'],
    ['text', 7, 'a whole number'],
    ['text', null, 'null'],
    ['timestamp', 'i går', 'text'],
    ['date', 20140919, 'a whole number'],
    ['uuid', 'x', 'text'],
    ['integer', {}, 'an object'],
    ['integer', [], 'an array'],
  ])('are told: %s', (type, a, is) => {
    expect(observe([{ id: 7, a, b: null }], { of: entity(type) })).toEqual([['other-type', 'a', is, '7']]);
  });

  it('are told once a field, with the first key, also behind rows that have taught another order', () => {
    const rows = [
      { b: 'y', id: 1, a: 'x' },
      { b: 'y', id: 2, a: 3, c: null },
      { b: 'y', id: 3, a: 4, c: 1 },
      { b: 'y', id: 4 },
      { b: 'y', id: 5, c: 1 },
      'no row at all',
    ];
    expect(observe(rows)).toEqual([
      ['other-type', 'a', 'a whole number', '2'],
      ['unknown-field', 'c', 'null', '2'],
      ['missing-field', 'a', null, '4'],
    ]);
  });

  it('miss nothing where only some fields were asked for, and may still be of other types', () => {
    const rows = [{ id: 1 }, { id: 2, b: 5 }, { id: 'x' }];
    expect(observe(rows, { select: ['id'] })).toEqual([
      ['other-type', 'b', 'a whole number', '2'],
      ['other-type', 'id', 'text', 'x'],
    ]);
  });

  it('are told of so many fields a page at most', () => {
    const row = Object.fromEntries(Array.from({ length: 500 }, (_unused, index) => [`f${index}`, 1]));
    expect(observe([{ id: 1, a: 'x', b: 'y', ...row }])).toHaveLength(50);
  });

  it('have fields that are called like what every object inherits', () => {
    const row = JSON.parse('{"id":1,"a":"x","b":"y","__proto__":1,"constructor":2}') as unknown;
    expect(observe([row])).toEqual([
      ['unknown-field', '__proto__', 'a whole number', '1'],
      ['unknown-field', 'constructor', 'a whole number', '1'],
    ]);
  });
});
