import { describe, expect, it } from 'vitest';
import { hasBackslash, hasComma, hasMark, stands, viewOf, wordBytes, wordsOf } from '../../src/domain/byte-words.ts';
import { randomFrom } from './random-json.ts';

/** Bytes at and beside the borders that the tests draw. */
const bytes = [
  0x00, 0x01, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x2b, 0x2c, 0x2d, 0x5b, 0x5c, 0x5d, 0x7f, 0x80, 0xa2, 0xdc, 0xff,
];

describe('four bytes that are looked at as one number', () => {
  it('show whether one of them is what is looked for, whatever stands beside it', () => {
    for (let number = 0; number < bytes.length ** 4; number++) {
      const four = Buffer.from(
        [0, 1, 2, 3].map((place) => bytes[Math.floor(number / bytes.length ** place) % bytes.length] ?? 0),
      );
      const word = viewOf(four).getInt32(0, true);
      const found = [hasMark(word), hasComma(word), hasBackslash(word)].join();
      const isMark = four.some((byte) => byte < 0x20 || byte === 0x22 || byte === 0x5c);
      const expected = [isMark, four.includes(0x2c), four.includes(0x5c)].join();
      if (found !== expected) expect.fail(`${four.toString('hex')}: ${found} and not ${expected}`);
    }
  });
});

describe('a text that is looked for in words', () => {
  it('stands where its bytes do, and nowhere else', () => {
    const random = randomFrom(7);
    for (let times = 0; times < 2_000; times++) {
      const page = Buffer.from(Array.from({ length: 40 }, () => (random() < 0.9 ? 0x61 : 0xe6)));
      const length = 4 + Math.floor(random() * 12);
      const from = Math.floor(random() * (page.length - length + 1));
      const text = wordsOf(page.subarray(from, from + length));
      const walked = wordBytes(page);
      for (let at = 0; at < page.length; at++) {
        const isThere = page.subarray(at, at + length).equals(page.subarray(from, from + length));
        if (stands(text, walked, at) !== isThere) expect.fail(`at ${at} of ${page.toString('hex')}`);
      }
    }
  });

  it('does not stand where the bytes end before it does, though more follow in the same memory', () => {
    const memory = Buffer.from('"titel":"titel":');
    const walked = wordBytes(memory.subarray(0, 12));
    const text = wordsOf(Buffer.from('"titel":'));
    expect([stands(text, walked, 0), stands(text, walked, 8)]).toEqual([true, false]);
  });
});
