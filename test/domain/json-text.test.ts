import { describe, expect, it } from 'vitest';
import { isRawNumber, numberText, parseLossless } from '../../src/domain/json-text.ts';
import { randomFrom, randomJson } from './random-json.ts';

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
