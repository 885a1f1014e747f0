import { describe, expect, it } from 'vitest';
import { EDITED_AT, editedOf, makeEditions } from '../../bench/records.ts';
import { rowTextAt } from '../../src/twin/table.ts';
import type { TwinData } from '../../src/twin/twin-data.ts';

const ROWS = 1_050;
const textsOf = (data: TwinData): string[] => {
  const table = data.table('Sag');
  return table === undefined ? [] : table.keys.map((_key, index) => rowTextAt(table, index) ?? '');
};

describe('the records of the bench', () => {
  const { first, edited } = makeEditions(ROWS);

  it('are whole, have ids without gaps, and about 1.3 kB each', () => {
    const texts = textsOf(first);
    expect(texts.map((text) => JSON.parse(text).id)).toEqual(
      Array.from({ length: ROWS }, (_nothing, index) => index + 1),
    );
    const bytes = Buffer.byteLength(texts.join('')) / ROWS;
    expect(bytes).toBeGreaterThan(1_250);
    expect(bytes).toBeLessThan(1_350);
  });

  it('are the same whenever they are made', () => {
    expect(textsOf(makeEditions(ROWS).edited)).toEqual(textsOf(edited));
  });

  it('differ in one of a hundred between the editions, which can be told by its timestamp', () => {
    const [before, after] = [textsOf(first), textsOf(edited)];
    const differing = after.filter((text, index) => text !== before[index]);
    expect(differing).toHaveLength(editedOf(ROWS));
    expect(differing.every((text) => text.includes(EDITED_AT))).toBe(true);
    expect(before.some((text) => text.includes(EDITED_AT))).toBe(false);
  });
});
