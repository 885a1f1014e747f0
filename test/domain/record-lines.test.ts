import { describe, expect, it } from 'vitest';
import { LineWriter, linesOf, textsOf } from '../../src/domain/record-lines.ts';

describe('lines', () => {
  it.each([
    ['none', []],
    ['one', ['{}']],
    ['letters of all lengths', ['{"a":"Ærøskøbing"}', '{"a":"\u20ac 😀"}', '{"a":""}']],
    ['a long one among short ones', ['{"a":1}', `{"a":"${'æ'.repeat(100_000)}"}`, '{"a":2}']],
  ])('give back the texts they were made of: %s', (_what, texts) => {
    const lines = linesOf(texts);
    expect(textsOf(lines)).toEqual(texts);
    expect(lines.bytes.toString()).toBe(texts.map((text) => `${text}\n`).join(''));
  });

  it('have spaces where there were line breaks between tokens', () => {
    const lines = linesOf(['{\n"a":1,\r\n\n"b":2}\n', '{"a":\r1}', '{"b":"\\n"}']);
    expect(textsOf(lines)).toEqual(['{ "a":1,   "b":2} ', '{"a": 1}', '{"b":"\\n"}']);
  });
});

describe('a writer of lines', () => {
  it('keeps the record that is being written when those before it are taken', () => {
    const writer = new LineWriter(8);
    const bytes = Buffer.from('x{"a":1}{"b":2}');
    writer.addBytes(bytes, 1, 8);
    writer.endRecord();
    writer.addBytes(bytes, 8, 11);
    expect(writer.size).toBe(8);
    expect(textsOf(writer.take())).toEqual(['{"a":1}']);
    expect(writer.size).toBe(0);
    writer.addBytes(bytes, 11, 15);
    writer.endRecord();
    expect(textsOf(writer.take())).toEqual(['{"b":2}']);
    expect(textsOf(writer.take())).toEqual([]);
  });
});
