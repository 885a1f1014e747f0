import { describe, expect, it } from 'vitest';
import { isRawNumber, needsCheck, numberText, parseLossless, sliceArrayElements } from '../../src/domain/json-text.ts';

type Random = () => number;

/** A seeded source of numbers in [0, 1), so that a failing document can be made again. */
function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)] as T;
}

const stringParts = [
  'a',
  'value',
  'æøå',
  '😀',
  '\\"',
  '\\\\',
  '\\n',
  '\\u00e6',
  '\\ud83d\\ude00',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ' ',
  '1.10',
  '\u2028',
];
const scalars = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '17',
  '-5',
  '1.10',
  '1e3',
  '2.5',
  '12345678901234567890',
  '-1E-7',
  '0.1',
  '1e400',
];

function randomSpace(random: Random, spacing: number): string {
  return random() < spacing ? pick(random, [' ', '\n', '\t ', '\r\n  ']) : '';
}

function randomString(random: Random): string {
  const parts = Array.from({ length: Math.floor(random() * 5) }, () => pick(random, stringParts));
  return `"${parts.join('')}"`;
}

/** A name that no other member of its object has, and that is no array index, which objects would put first. */
function randomName(random: Random, index: number): string {
  return `${randomString(random).slice(0, -1)}k${index}"`;
}

/** The text of a random JSON value; `spacing` is the chance of whitespace at each place where it may stand. */
function randomJson(random: Random, depth: number, spacing: number): string {
  const kind = depth === 0 ? random() * 0.5 : random();
  if (kind < 0.25) return pick(random, scalars);
  if (kind < 0.5) return randomString(random);
  const gap = () => randomSpace(random, spacing);
  const length = Math.floor(random() * 4);
  const value = () => gap() + randomJson(random, depth - 1, spacing) + gap();
  if (kind < 0.75) return `[${Array.from({ length }, value).join(',') || gap()}]`;
  const member = (_: unknown, index: number) => `${gap()}${randomName(random, index)}${gap()}:${value()}`;
  return `{${Array.from({ length }, member).join(',') || gap()}}`;
}

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

describe('slicing the elements of an array', () => {
  it('gives the exact text of each element of an OData envelope', () => {
    const rows = ['{"id":1,"navn":"Ærø \\"x\\\\"}', '{"id":12345678901234567890,"beløb":1.10}'];
    const text = `{"odata.metadata":"https://x/$metadata#A","value":[${rows.join(',')}],"odata.nextLink":"https://x?$skip=2"}`;
    expect(sliceArrayElements(text, 'value')).toEqual(rows);
  });

  it('gives an empty list for an empty array', () => {
    expect(sliceArrayElements('{"value":[]}', 'value')).toEqual([]);
    expect(sliceArrayElements(' { "value" : [ ] } ', 'value')).toEqual([]);
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
    expect(sliceArrayElements(text, 'value')).toBeUndefined();
  });

  it('takes the last of several properties of the same name', () => {
    expect(sliceArrayElements('{"value":[1],"x":0,"value":[2,3]}', 'value')).toEqual(['2', '3']);
    expect(sliceArrayElements('{"value":[1],"value":4}', 'value')).toBeUndefined();
  });

  it('finds a property whose name is written with escapes', () => {
    expect(sliceArrayElements('{"v\\u0061lue":[1]}', 'value')).toEqual(['1']);
    expect(sliceArrayElements('{"\\"":[1],"m\\u00f8de":[2]}', 'møde')).toEqual(['2']);
  });

  it('puts an element with whitespace between its tokens on one line, and leaves strings alone', () => {
    const text = '{\n "value": [\n  {\n   "a": [ 1,\t2 ],\r\n   "b": " x  y "\n  },\n  3\n ]\n}';
    expect(sliceArrayElements(text, 'value')).toEqual(['{"a":[1,2],"b":" x  y "}', '3']);
  });

  it('cuts any document as JSON.parse reads it', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const random = randomFrom(seed);
      const spacing = pick(random, [0, 0, 0.1, 0.6]);
      const before = randomString(random);
      const elements = Array.from({ length: Math.floor(random() * 6) }, () => randomJson(random, 4, spacing));
      const array = `[${elements.join(',')}]`;
      const text = `{${before}:${randomJson(random, 3, spacing)},"value":${array},"næste":${randomJson(random, 2, spacing)}}`;
      const slices = sliceArrayElements(text, 'value');
      expect(
        slices?.map((slice) => JSON.parse(slice)),
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
        const slices = sliceArrayElements(text, property)?.map((slice) => JSON.parse(slice));
        expect(slices, `seed ${seed}, ${property}`).toEqual(expected);
      }
    }
  });

  it('ends, whatever text it is given', () => {
    const text = '{"odata":"a\\"b","value":[{"a":[1,2]},null],"next":"x"}';
    for (let end = 0; end < text.length; end++) {
      try {
        sliceArrayElements(text.slice(0, end), 'value');
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
    }
  });
});

describe('parsing without loss', () => {
  const inexact = [
    '12345678901234567890',
    '9007199254740993',
    '1.10',
    '1e3',
    '1E3',
    '-0',
    '-0.0',
    '0.10',
    '1e400',
    '-1e-400',
    '123456789.1234567891',
    '1.0',
  ];

  it.each(inexact)('keeps the text of %s wherever it stands', (number) => {
    for (const text of [
      number,
      `[${number}]`,
      `[1,${number}]`,
      `{"a":${number}}`,
      `{"a":{"b":[1,${number}]},"c":"x"}`,
    ]) {
      expect(JSON.stringify(parseLossless(text))).toBe(text);
    }
    const value = parseLossless(number);
    expect(isRawNumber(value) && numberText(value)).toBe(number);
  });

  it.each(['0', '1', '-1', '1.5', '-2.25', '9007199254740991', '123456789012345680000', '1e+21', '5e-324'])(
    'reads %s as a plain number',
    (number) => {
      const value = parseLossless(number);
      expect(value).toBe(Number(number));
      expect(numberText(value as number)).toBe(number);
    },
  );

  it('takes the last of several members of the same name', () => {
    expect(JSON.stringify(parseLossless('{"a":1.10,"b":[1e3],"a":2.50,"b":3}'))).toBe('{"a":2.50,"b":3}');
    expect(JSON.stringify(parseLossless('{"a":1.10,"a":2}'))).toBe('{"a":2}');
    expect(JSON.stringify(parseLossless('{"a":{"x":1.10},"a":[2.50,1]}'))).toBe('{"a":[2.50,1]}');
  });

  it('takes no string for a number', () => {
    const text = '{"a":"1.10","b":"x\\":1.10","c":"[1.10,2e3","kl":"16:15:46.607"}';
    expect(parseLossless(text)).toEqual(JSON.parse(text));
    expect(JSON.stringify(parseLossless(text))).toBe(text);
  });

  it('knows a raw number from everything else', () => {
    for (const value of [null, undefined, 1, '1.10', {}, [], { rawJSON: '1.10' }])
      expect(isRawNumber(value)).toBe(false);
  });

  it('refuses what JSON.parse refuses', () => {
    for (const text of ['', '{', '{"a":1.10', '01', '1.', '{"a":"x}', 'NaN'])
      expect(() => parseLossless(text), text).toThrow(SyntaxError);
  });

  it('brings back every number of any document', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const text = randomJson(randomFrom(seed), 4, 0.2);
      const numbersOf = (json: string) => json.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d[\d.eE+-]*/g) ?? [];
      const result = JSON.stringify(parseLossless(text));
      expect(JSON.parse(result), `seed ${seed}`).toEqual(JSON.parse(text));
      expect(numbersOf(result), `seed ${seed}`).toEqual(numbersOf(text));
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
