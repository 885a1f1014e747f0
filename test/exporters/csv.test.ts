import { describe, expect, it } from 'vitest';
import { linesOf, type RecordLines } from '../../src/domain/record-lines.ts';
import { csvExporter } from '../../src/exporters/csv.ts';
import { csvRows } from '../../src/exporters/csv-rows.ts';
import { FlatRecord } from '../../src/exporters/flat-record.ts';

const columns = ['id', 'titel', 'beløb', 'ok', 'aktør.navn', 'mere', 'constructor', '__proto__'];

/** Numbers from 0 to below 1, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const parts = [
  ...['a', 'B ', 'Æ', '€', '😀', ',', ';', "'", '=1+1', '\u2028', '\u0085', '\u007f', ' ', 'x'.repeat(70)],
  ...String.raw`\" \\ \/ \b \f \n \r \t \u00e6 \u002c \u0022 \u000A \u0000 \ud83d\ude00 \uD83D \udc00 \u20ac`.split(
    ' ',
  ),
];
const scalars = ['0', '-0', '7', '-12', '1.10', '1e400', '-1.5E+3', '2e-7', '12345678901234567890', 'true', 'false'];
const nested = ['{}', '[]', '{"a":[1,{"b":"x,\\"y"},1.10]}', '[null,"",12345678901234567890]'];

/** Records as sources might send them one day. */
class NastyRecords {
  readonly #random: () => number;
  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  is(probability: number): boolean {
    return this.#random() < probability;
  }

  one<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  record(): string {
    const names = [...columns, 'ukendt', 'andet'].filter(() => this.is(0.85));
    if (this.is(0.2)) names.sort(() => this.#random() - 0.5);
    if (this.is(0.05)) names.push(this.one(names.length === 0 ? columns : names));
    const space = this.is(0.8) ? () => '' : () => this.one(['', ' ', '  ', '\t', '\n', '\r\n']);
    const pair = (name: string) => `${space()}${this.name(name)}${space()}:${space()}${this.value()}${space()}`;
    return `${space()}{${names.map(pair).join(',')}}${space()}`;
  }

  name(name: string): string {
    return this.is(0.01) ? JSON.stringify(name).replace('i', String.raw`\u0069`) : JSON.stringify(name);
  }

  value(): string {
    if (this.is(0.1)) return 'null';
    if (this.is(0.3)) return this.one(scalars);
    return this.is(0.02) ? this.one(nested) : `"${this.text()}"`;
  }

  text(): string {
    const common = this.is(0.5) ? parts.slice(0, 6) : parts;
    return Array.from({ length: Math.floor(this.#random() ** 2 * 8) }, () => this.one(common)).join('');
  }

  /** Mostly no JSON any more, or another. */
  broken(): string {
    const record = this.record();
    const at = Math.floor(this.#random() * record.length);
    return (
      record.slice(0, at) +
      this.one(['', '"', ',', '\\', '}', '{', ':', '0', 'x', '-', '.', '\u0001']) +
      record.slice(at + 1)
    );
  }
}

/** By the library alone; null for what is no record. */
function byLibrary(records: RecordLines): string | null {
  return writtenOr(null, () => Buffer.from(csvRows(records, columns, [0, records.ends.length])).toString());
}

function writtenOr<T>(otherwise: T, write: () => string): string | T {
  try {
    return write();
  } catch (error) {
    expect(error).toMatchObject({ index: expect.any(Number) });
    return otherwise;
  }
}

describe('lines of CSV that are put together from bytes', () => {
  it.each([1, 2, 3, 4])('are those that the library makes of the fields, whatever the records (seed %i)', (seed) => {
    const nasty = new NastyRecords(seed);
    const encoder = csvExporter.open(columns);
    for (let batch = 0; batch < 500; batch++) {
      const records = linesOf(Array.from({ length: 10 }, () => nasty.record()));
      expect(String(encoder.encode(records))).toBe(byLibrary(records));
    }
  });

  it('are so for many of these, and not by the library after all', () => {
    const nasty = new NastyRecords(5);
    const records = linesOf(Array.from({ length: 1000 }, () => nasty.record()));
    const flat = new FlatRecord(columns);
    expect([...records.ends.keys()].filter((index) => flat.read(records, index)).length).toBeGreaterThan(400);
  });

  it.each([6, 7])('are refused where the library refuses the record (seed %i)', (seed) => {
    const nasty = new NastyRecords(seed);
    for (let count = 0; count < 5000; count++) {
      const records = linesOf([nasty.broken()]);
      const encoder = csvExporter.open(columns);
      expect(writtenOr(null, () => String(encoder.encode(records)))).toBe(byLibrary(records));
    }
  });

  it.each([
    '{"id":',
    String.raw`{"id":"\x"}`,
    String.raw`{"id":"\x","id":1}`,
    String.raw`{"id":1,"ukendt":"\u12"}`,
    '{"id":01}',
    '{"id":"\u0001"}',
    '{"id":1}{}',
    '{}}',
    '7',
  ])('name the record that is none, of those before it and after it: %s', (bad) => {
    const records = linesOf(['{"id":1}', '{"id":{}}', '{"id":2}', '{"id":[]}', bad, '{"id":3}']);
    expect(() => csvExporter.open(columns).encode(records)).toThrow(expect.objectContaining({ index: 4 }));
  });

  it('remember no more names than there is room for', () => {
    const texts = Array.from({ length: 10_000 }, (_, id) => `{"id":${id},"name ${id}":1,"titel":"x"}`);
    const records = linesOf(texts);
    expect(String(csvExporter.open(columns).encode(records))).toBe(byLibrary(records));
  });
});
