import { describe, expect, it } from 'vitest';
import { sliceElements, sliceOne } from '../../src/domain/json-bytes.ts';
import { pick, randomFrom, randomJson, randomString } from './random-json.ts';

/** The elements of an array as texts. */
function texts(text: string, property: string): string[] | undefined {
  return sliceElements(Buffer.from(text), property)?.map(({ json }) => json.toString());
}

const needsCheck = (text: string) => sliceOne(text).needsCheck;

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

describe('slicing the elements of an array', () => {
  it('gives the exact text of each element of an OData envelope', () => {
    const rows = ['{"id":1,"navn":"Ærø \\"x\\\\"}', '{"id":12345678901234567890,"beløb":1.10}'];
    const text = `{"odata.metadata":"https://x/$metadata#A","value":[${rows.join(',')}],"odata.nextLink":"https://x?$skip=2"}`;
    expect(texts(text, 'value')).toEqual(rows);
  });

  it('gives an empty list for an empty array', () => {
    expect(texts('{"value":[]}', 'value')).toEqual([]);
    expect(texts(' { "value" : [ ] } ', 'value')).toEqual([]);
  });

  it.each([
    '{}',
    '{"values":[1]}',
    '{"value":null}',
    '{"value":{"value":[1]}}',
    '[1,2]',
    '"value"',
    '{"other":{"value":[1]}}',
  ])('is undefined for %s, which has no such array', (text) => {
    expect(texts(text, 'value')).toBeUndefined();
  });

  it('takes the last of several properties of the same name', () => {
    expect(texts('{"value":[1],"x":0,"value":[2,3]}', 'value')).toEqual(['2', '3']);
    expect(texts('{"value":[1],"value":4}', 'value')).toBeUndefined();
  });

  it('finds a property whose name is written with escapes', () => {
    expect(texts('{"v\\u0061lue":[1]}', 'value')).toEqual(['1']);
    expect(texts('{"\\"":[1],"m\\u00f8de":[2]}', 'møde')).toEqual(['2']);
  });

  it('puts an element with whitespace between its tokens on one line, and leaves strings alone', () => {
    const text = '{\n "value": [\n  {\n   "a": [ 1,\t2 ],\r\n   "b": " x  y "\n  },\n  3\n ]\n}';
    expect(texts(text, 'value')).toEqual(['{"a":[1,2],"b":" x  y "}', '3']);
  });

  it('cuts any document as JSON.parse reads it', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const random = randomFrom(seed);
      const spacing = pick(random, [0, 0, 0.1, 0.6]);
      const before = randomString(random);
      const elements = Array.from({ length: Math.floor(random() * 6) }, () => randomJson(random, 4, spacing));
      const array = `[${elements.join(',')}]`;
      const text = `{${before}:${randomJson(random, 3, spacing)},"value":${array},"næste":${randomJson(random, 2, spacing)}}`;
      const slices = texts(text, 'value');
      expect(
        slices?.map((slice) => JSON.parse(slice) as unknown),
        `seed ${seed}`,
      ).toEqual(JSON.parse(array));
      if (spacing === 0) expect(slices, `seed ${seed}`).toEqual(elements);
      else expect(slices?.join(''), `seed ${seed}`).not.toMatch(/[\r\n]/);
    }
  });

  it('agrees with JSON.parse on whichever property is asked for', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const random = randomFrom(seed);
      const text = `{${Array.from({ length: 4 }, () => `${randomString(random)}:${randomJson(random, 3, 0.1)}`).join(',')}}`;
      const parsed = JSON.parse(text) as Record<string, unknown>;
      for (const property of Object.keys(parsed)) {
        const expected = Array.isArray(parsed[property]) ? parsed[property] : undefined;
        const slices = texts(text, property)?.map((slice) => JSON.parse(slice) as unknown);
        expect(slices, `seed ${seed}, ${property}`).toEqual(expected);
      }
    }
  });

  it('ends, whatever text it is given', () => {
    const text = '{"odata":"a\\"b","value":[{"a":[1,2]},null],"next":"x"}';
    for (let end = 0; end < text.length; end++) {
      try {
        sliceElements(Buffer.from(text.slice(0, end)), 'value');
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }
  });
});

describe('asking whether jsonb might refuse a text', () => {
  it.each([
    ['a NUL', '{"a":"x\\u0000y"}'],
    ['a lone high surrogate', '{"a":"\\ud800"}'],
    ['a lone low surrogate in capitals', '{"a":"\\uDFFF"}'],
    ['a surrogate pair, to be safe', '"\\uD83D\\uDE00"'],
    ['an exponent', '{"a":1e131073}'],
    ['a capital exponent', '[1,-2.5E+9]'],
    ['an exponent alone', '1e9'],
    ['very many digits', `{"a":${'9'.repeat(400)}}`],
    ['very many decimals', `{"a":0.${'1'.repeat(400)}}`],
    ['deep arrays', nested(501)],
    ['deep objects', `${'{"a":'.repeat(501)}1${'}'.repeat(501)}`],
  ])('says yes to %s', (_what, text) => {
    expect(JSON.parse(text)).toBeDefined();
    expect(needsCheck(text)).toBe(true);
  });

  it.each([
    ['a plain record', '{"id":1,"titel":"Ærø","beløb":-1.10,"ok":true,"intet":null}'],
    ['harmless escapes', '{"a":"\\n\\t\\"\\\\\\u00e6\\u0001"}'],
    ['what only looks like an exponent', '{"a":"1e9","uuid":"3e4","true":true,"false":[false]}'],
    ['brackets in strings', JSON.stringify('['.repeat(1000))],
    ['many shallow arrays', `[${Array(2000).fill('[]').join(',')}]`],
    ['nesting that is just allowed', nested(500)],
    ['a date with a fraction', '{"opdateringsdato":"2014-09-30T16:15:46.607"}'],
  ])('says no to %s', (_what, text) => {
    expect(JSON.parse(text)).toBeDefined();
    expect(needsCheck(text)).toBe(false);
  });

  it('misses no exponent and no escape in any document', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const text = randomJson(randomFrom(seed), 4, 0.2);
      const structure = text.replace(/"(?:[^"\\]|\\.)*"/g, '""');
      const isDaring = /\d[eE]/.test(structure) || /\\u(?:0000|d[89a-f])/i.test(text);
      expect(needsCheck(text), `seed ${seed}: ${text}`).toBe(isDaring);
    }
  });
});
