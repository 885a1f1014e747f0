import { describe, expect, it } from 'vitest';
import { wordBytes } from '../../src/domain/byte-words.ts';
import { sliceOne } from '../../src/domain/json-bytes.ts';
import type { Entity, Field, FieldType } from '../../src/domain/record.ts';
import { normaliseRecord } from '../../src/sources/normalise.ts';
import { observeFields } from '../../src/sources/observe-fields.ts';
import { parseCollection, readCollection } from '../../src/sources/oda/collection.ts';
import { layoutOf, readPlainRow } from '../../src/sources/plain-row.ts';
import { pick, type Random, randomFrom } from '../domain/random-json.ts';

const types: readonly FieldType[] = [
  'boolean',
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'double',
  'text',
  'timestamp',
  'date',
  'uuid',
];
const texts = [
  '',
  'Ærø',
  'a,b',
  '\\"',
  '\\\\',
  '\\n',
  '\\/',
  '\\u00e6',
  '\\u0000',
  '\\ud83d\\ude00',
  '🧀',
  '{"id":1}',
  '],[',
  ' ',
];
const moments = [
  '2014-09-19T14:41:02.653',
  '2024-02-29T00:00:00',
  '2023-02-29T00:00:00',
  '2014-09-19',
  '2014-09-19T14:41:02\\u002e5',
  '0001-01-01T00:00:00',
];
const uuid = '7b0c1c52-6d0f-4c1c-9a51-0d7f1c0a0b11';
/** What may stand where a value should, right or wrong. */
const values = [
  'null',
  'true',
  'false',
  'tru',
  'nul',
  '0',
  '-0',
  '17',
  '-5',
  '1234',
  '12345',
  '123456789',
  '1234567890',
  '12345678901234567890',
  '1.10',
  '-2.50',
  '01',
  '-',
  '.5',
  '5.',
  '1e3',
  '1E-7',
  'NaN',
  '""',
  '"1.5"',
  '[]',
  '{}',
  '[1,2]',
  '"\t"',
  '"\\x"',
  '"\\u12g4"',
  `"${'x'.repeat(600)}"`,
  '"7"',
  ' 1',
  '1 ',
  '+1',
];

function entityFrom(random: Random): Entity {
  const keyType = pick<FieldType>(random, ['integer', 'bigint', 'text', 'uuid']);
  const others = Array.from(
    { length: Math.floor(random() * 6) },
    (_, index): Field => ({
      name: `${pick(random, ['felt', 'beløb', 'a"b', 'x'])}${index}`,
      type: pick(random, types),
      isNullable: random() < 0.5,
    }),
  );
  const fields: Field[] = [
    { name: 'id', type: keyType, isNullable: false },
    ...others,
    { name: 'ændret', type: 'timestamp', isNullable: true },
  ];
  return { name: 'Ting', keyField: 'id', timestampField: 'ændret', fields, relations: [] };
}

function goodValue(random: Random, { type, isNullable }: Field): string {
  if (isNullable && random() < 0.2) return 'null';
  const number = pick(random, ['0', '17', '-5', '123456789', '1234']);
  const text = Array.from({ length: Math.floor(random() * 3) }, () => pick(random, texts)).join('');
  if (type === 'boolean') return pick(random, ['true', 'false']);
  if (type === 'text') return `"${text}"`;
  if (type === 'timestamp' || type === 'date') return `"${pick(random, moments)}"`;
  if (type === 'uuid') return `"${uuid}"`;
  if (type === 'numeric' || type === 'double') return pick(random, ['0', '1.10', '-2.50', '3']);
  return type === 'smallint' ? '1234' : number;
}

function rowFrom(random: Random, { fields }: Entity): string {
  const wrong = random() < 0.25 ? Math.floor(random() * fields.length) : -1;
  const members = fields.map(
    (field, index) =>
      `${JSON.stringify(field.name)}:${index === wrong ? pick(random, values) : goodValue(random, field)}`,
  );
  if (random() < 0.1) members.splice(Math.floor(random() * members.length), 1);
  if (random() < 0.1) members.push(pick(random, members));
  if (random() < 0.1) members.reverse();
  return `{${members.join(pick(random, [',', ',', ',', ',', ', ']))}}`;
}

/** The text with some of its bytes changed, left out or doubled. */
function spoiled(random: Random, bytes: Buffer): Buffer {
  const copy = [...bytes];
  for (let times = Math.floor(random() * 3); times > 0; times--) {
    const at = Math.floor(random() * copy.length);
    copy.splice(
      at,
      Math.floor(random() * 2),
      ...pick(random, [[], [0x22], [0x2c], [0x5c], [0x7d], [0x5d], [0x30], [0x09], [0x20], [copy[at] ?? 0]]),
    );
  }
  return Buffer.from(copy);
}

const queryOf = (entity: Entity) => ({ entity, selection: { filter: null, select: null, maxRecords: null } });

describe('a row that is taken without being parsed', () => {
  it('is what parsing would have made of it, in a page and spoiled in any way', () => {
    let taken = 0;
    for (let seed = 1; seed <= 20_000; seed++) {
      const random = randomFrom(seed);
      const entity = entityFrom(random);
      const layout = layoutOf(entity.fields, entity);
      if (layout === null) continue;
      const text = Buffer.from(rowFrom(random, entity));
      const row = random() < 0.5 ? text : spoiled(random, text);
      const page = Buffer.concat([Buffer.from('[{},'), row, Buffer.from(',{}]')]);
      const plain = readPlainRow(wordBytes(page), 4, layout);
      if (plain === null) continue;
      taken++;
      const own = page.toString('utf8', 4, plain.end);
      const parsed = JSON.parse(own) as unknown;
      const {
        json: _json,
        hash: _hash,
        ...expected
      } = normaliseRecord(sliceOne(own), parsed, entity) as never as Record<string, unknown>;
      const { end: _end, ...found } = plain;
      expect(found, `seed ${seed}: ${own}`).toEqual(expected);
      expect(
        observeFields([parsed], queryOf(entity), () => true),
        `seed ${seed}: ${own}`,
      ).toEqual([]);
    }
    expect(taken).toBeGreaterThan(2_000);
  });

  it('is every row that is as the metadata say', () => {
    const entity: Entity = {
      name: 'Sag',
      keyField: 'id',
      timestampField: 'opdateringsdato',
      fields: [
        { name: 'id', type: 'integer', isNullable: false },
        { name: 'titel', type: 'text', isNullable: true },
        { name: 'beløb', type: 'numeric', isNullable: true },
        { name: 'opdateringsdato', type: 'timestamp', isNullable: false },
      ],
      relations: [],
    };
    const text = '{"id":7,"titel":"Ærø \\"x\\"\\u0000","beløb":-1.10,"opdateringsdato":"2014-09-19T14:41:02.653"}';
    const layout = layoutOf(entity.fields, entity) ?? expect.fail();
    expect(readPlainRow(wordBytes(Buffer.from(text)), 0, layout)).toEqual({
      end: Buffer.byteLength(text),
      key: '7',
      timestamp: '2014-09-19T14:41:02.653',
      needsCheck: true,
    });
  });
});

describe('a long row that is taken without being parsed', () => {
  it('is held against what PostgreSQL can take, as any other', () => {
    const fields: Field[] = [
      { name: 'id', type: 'integer', isNullable: false },
      { name: 'titel', type: 'text', isNullable: true },
    ];
    const entity: Entity = { name: 'Sag', keyField: 'id', timestampField: null, fields, relations: [] };
    const text = `{"id":7,"titel":"${'x'.repeat(2 ** 24)}"}`;
    const plain = readPlainRow(wordBytes(Buffer.from(text)), 0, layoutOf(entity.fields, entity) ?? expect.fail());
    expect(plain?.needsCheck).toBe(true);
    expect(sliceOne(text).needsCheck).toBe(true);
  });
});

describe('a collection whose rows are not parsed', () => {
  const envelopes = [
    (rows: string) => `{"odata.metadata":"http://x/\\"value\\":[","value":[${rows}]}`,
    (rows: string) => `{"odata.count":"5","value":[${rows}],"odata.nextLink":"http://x?$skip=2"}`,
    (rows: string) => `{"value":[${rows}],"value":[]}`,
    (rows: string) => `{"value":[1],"x":{"value":[${rows}]}}`,
    (rows: string) => `{"x":{"value":[${rows}]}}`,
    (rows: string) => `{"v\\u0061lue":[],"value":[${rows}]}`,
    (rows: string) => `{"value":[${rows}],"v\\u0061lue":[]}`,
    (rows: string) => `[{"value":[${rows}]}]`,
    (rows: string) => `{"value" : [ ${rows} ] }`,
  ];

  it('is the same as when they are, whatever it looks like', () => {
    let unparsed = 0;
    for (let seed = 1; seed <= 10_000; seed++) {
      const random = randomFrom(seed);
      const entity = entityFrom(random);
      const rows = Array.from({ length: Math.floor(random() * 4) }, () =>
        random() < 0.1 ? pick(random, values) : rowFrom(random, entity),
      );
      const body = Buffer.from(pick(random, envelopes)(rows.join(',')));
      const page = random() < 0.5 ? body : spoiled(random, body);
      const read = outcome(() => readCollection(page, layoutOf(entity.fields, entity)));
      expect(read.said, `seed ${seed}: ${page}`).toEqual(outcome(() => parseCollection(page)).said);
      unparsed += read.unparsed;
    }
    expect(unparsed).toBeGreaterThan(400);
  });

  /** What came of reading: the rows' bytes and the envelope without them, or what was wrong. */
  function outcome(read: () => ReturnType<typeof readCollection>): { said: unknown; unparsed: number } {
    try {
      const { envelope, rows } = read();
      const { value: _value, ...rest } = envelope;
      const slices = rows.map(({ json, needsCheck }) => [json.toString(), needsCheck]);
      return { said: { rest, slices }, unparsed: rows.filter((row) => 'plain' in row).length };
    } catch (error) {
      return { said: (error as { code?: string }).code ?? error, unparsed: 0 };
    }
  }
});
