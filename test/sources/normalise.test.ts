import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sliceOne } from '../../src/domain/json-bytes.ts';
import { isReject, normaliseRecord, normaliseText } from '../../src/sources/normalise.ts';
import { entityOf } from './setup.ts';

const entity = entityOf();
const textKeyed = entityOf({ fields: [{ name: 'id', type: 'text', isNullable: false }] });
const bigKeyed = entityOf({ fields: [{ name: 'id', type: 'bigint', isNullable: false }] });

function normalise(text: string, of = entity) {
  const row = normaliseRecord(sliceOne(text), JSON.parse(text), of);
  return isReject(row) ? { reason: row.reason, key: row.key, text: row.text } : row;
}

function timestampOf(value: unknown): unknown {
  const row = normalise(JSON.stringify({ id: 1, opdateringsdato: value }));
  return 'timestamp' in row ? row.timestamp : 'rejected';
}

describe('a record', () => {
  it('keeps its text, and has the first half of its SHA-256 for a hash', () => {
    const text = '{"id":7,"navn":"S\\u00f8ren","x":1.10,"opdateringsdato":"2014-09-19T17:49:11.87"}';
    expect(normalise(text)).toEqual({
      key: '7',
      hash: createHash('sha256').update(text).digest('hex').slice(0, 32),
      timestamp: '2014-09-19T17:49:11.87',
      json: Buffer.from(text),
      needsCheck: false,
    });
  });

  it('says when PostgreSQL has to be asked whether it can hold it', () => {
    expect(normalise('{"id":7,"navn":"a\\u0000b"}')).toMatchObject({ key: '7', needsCheck: true });
  });
});

describe('a record that was kept as text', () => {
  it.each(['{"id":7,"x":1.10,"y":9007199254740993}', '{ "id" : 7 ,\n "x": 1.10,\t"y":9007199254740993 }'])(
    'comes out as it does in a page: %j',
    (text) => {
      const line = '{"id":7,"x":1.10,"y":9007199254740993}';
      expect(normaliseText(text, entity)).toEqual(normaliseRecord(sliceOne(line), JSON.parse(line), entity));
    },
  );

  it.each(['', '{"id":7', '1],"value":[{"id":7}', '{"id":7}]}'])('is rejected when it is not JSON: %j', (text) => {
    expect(normaliseText(text, entity)).toMatchObject({ key: null, reason: 'not-json', text });
  });
});

describe('a key', () => {
  it.each([
    ['7', entity, '7'],
    ['0', entity, '0'],
    ['-12', entity, '-12'],
    ['1e3', entity, '1000'],
    ['7.0', entity, '7'],
    ['-0', entity, '0'],
    ['9007199254740991', entity, '9007199254740991'],
    ['"abc"', textKeyed, 'abc'],
    ['" æ\\n"', textKeyed, ' æ\n'],
    ['"007"', textKeyed, '007'],
    ['"007"', bigKeyed, '7'],
    ['"9223372036854775807"', bigKeyed, '9223372036854775807'],
  ])('%s is taken', (json, of, key) => {
    expect(normalise(`{"id":${json}}`, of)).toMatchObject({ key });
  });

  it.each([
    ['1.5', entity],
    ['9007199254740992', entity],
    ['9007199254740993', entity],
    ['-9007199254740993', entity],
    ['1e400', entity],
    ['""', textKeyed],
    ['"a\\u0000b"', textKeyed],
    ['"\\ud800"', textKeyed],
    [`"${'x'.repeat(513)}"`, textKeyed],
    ['"abc"', entity],
    ['"1.5"', bigKeyed],
    ['true', entity],
    ['{"a":1}', entity],
    ['[1]', entity],
  ])('%s is rejected, never rounded or bent', (json, of) => {
    const text = `{"id":${json}}`;
    expect(normalise(text, of)).toEqual({ reason: 'bad-key', key: null, text });
  });

  it.each(['{}', '{"id":null}', '{"Id":1}'])('is missing in %s', (text) => {
    expect(normalise(text)).toEqual({ reason: 'no-key', key: null, text });
  });

  it.each(['null', '[]', '[{"id":1}]', '"text"', '5', 'true'])('cannot be in %s, which is no object', (text) => {
    expect(normalise(text)).toEqual({ reason: 'not-an-object', key: null, text });
  });

  it('is not looked for in what every object has', () => {
    expect(normalise('{"__proto__":{"id":1}}')).toMatchObject({ reason: 'no-key' });
  });
});

describe('a timestamp', () => {
  it.each([
    '2014-09-19T14:41:02',
    '2014-09-19T17:49:11.87',
    '2000-02-29T00:00:00',
    '2024-02-29T23:59:59.997',
    '0001-01-01T00:00:00',
    '9999-12-31T23:59:59.9999999',
  ])('%s is taken as it was written', (text) => {
    expect(timestampOf(text)).toBe(text);
  });

  it.each([
    '2014-02-29T00:00:00',
    '1900-02-29T00:00:00',
    '2014-04-31T00:00:00',
    '2014-00-10T00:00:00',
    '2014-13-10T00:00:00',
    '2014-01-00T00:00:00',
    '0000-01-01T00:00:00',
    '2014-01-01T24:00:00',
    '2014-01-01T23:60:00',
    '2014-01-01T23:59:60',
    '2014-01-01T00:00:00Z',
    '2014-01-01T00:00:00+01:00',
    '2014-01-01 00:00:00',
    '2014-01-01',
    '2014-01-01T00:00:00.',
    '2014-01-01T00:00:00\n',
    '２０１４-01-01T00:00:00',
    '12014-01-01T00:00:00',
    '',
    5,
    null,
    {},
    undefined,
  ])('%s becomes null', (value) => {
    expect(timestampOf(value)).toBeNull();
  });

  it('is null where the entity has none', () => {
    const text = '{"id":1,"opdateringsdato":"2014-01-01T00:00:00"}';
    expect(normalise(text, entityOf({ timestampField: null }))).toMatchObject({ timestamp: null });
  });
});
