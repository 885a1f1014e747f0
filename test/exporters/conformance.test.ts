import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { type ExportFormat, exportFormats } from '../../src/domain/harvest-request.ts';
import { parseLossless } from '../../src/domain/json-text.ts';
import { linesOf } from '../../src/domain/record-lines.ts';
import { exporters, writeExports } from '../../src/exporters/write-export.ts';
import { exportRequest, measureFile, publishedTexts } from './setup.ts';

const columns = ['id', 'titel', 'beløb', 'ok', 'aktør.navn', 'mere', 'constructor'];

interface Format {
  /** What a reader of that format finds for these records, in terms of their JSON. */
  readonly read: (text: string) => unknown[];
  /** What it should find for a record's JSON text. */
  readonly expected: (record: string) => unknown;
}

const json = { expected: (record: string) => record };

const formats: Record<ExportFormat, Format> = {
  ndjson: { ...json, read: (text) => text.split('\n').slice(0, -1) },
  json: { ...json, read: readJson },
  csv: { read: readCsv, expected: expectedRow },
};

/** The lines between the brackets, which have to be the elements of one JSON array. */
function readJson(text: string): unknown[] {
  const elements = JSON.parse(text) as unknown[];
  const lines = text.split('\n').slice(1, 1 + elements.length);
  return lines.map((line) => line.replace(/,$/, ''));
}

/** null for what is empty without quotes, as PostgreSQL's COPY reads it. */
function readCsv(text: string): unknown[] {
  const cast = (value: string, { quoting }: { quoting: boolean }) => (value === '' && !quoting ? null : value);
  const [header, ...rows] = parse(text, { cast, relax_column_count: false }) as unknown[][];
  expect(header).toEqual(columns);
  return rows;
}

function expectedRow(record: string): unknown[] {
  const fields = parseLossless(record) as Record<string, unknown>;
  return columns.map((column) => {
    const value = Object.hasOwn(fields, column) ? fields[column] : null;
    return value === null || typeof value === 'string' ? value : JSON.stringify(value);
  });
}

describe.each(exportFormats)('the exporter for %s', (format) => {
  const { read, expected } = formats[format];
  const roundTrip = async (texts: readonly string[]) => {
    const written = await publishedTexts(await exportRequest(texts, { formats: [format], columns }));
    return read(written[format] ?? '');
  };

  it('is called what it is', () => {
    expect(exporters[format].format).toBe(format);
    expect(exporters[format].extension).toMatch(/^[a-z]+$/);
  });

  it.each([
    ['no record', []],
    ['one record', ['{"id":1}']],
    ['a record without fields', ['{}']],
    [
      'quotes, commas and backslashes',
      [String.raw`{"id":1,"titel":"\"a\", b\\ 'c' \"\""}`, String.raw`{"id":2,"titel":"\""}`],
    ],
    [
      'line breaks of all kinds',
      [String.raw`{"titel":"a\nb\r\nc\rd\n","beløb":1}`, '{"titel":"a\u2028b\u2029c\u0085d"}'],
    ],
    [
      'Danish letters and emoji',
      ['{"titel":"Ærøskøbing å Ålborg","aktør.navn":"😀👩‍👩‍👧"}', String.raw`{"titel":"\u00e6\ud83d\ude00"}`],
    ],
    ['null beside the empty string', ['{"id":null,"titel":""}', '{"id":"","titel":null}']],
    [
      'numbers beyond what a double holds',
      ['{"id":9007199254740993,"beløb":1.10}', '{"id":-12345678901234567890,"beløb":1e3}', '{"id":-0,"beløb":1e400}'],
    ],
    ['booleans', ['{"id":1,"ok":true}', '{"id":2,"ok":false}']],
    [
      'nested values',
      ['{"id":1,"mere":{"a":[1,{"b":"x,\\"y"},1.10]}}', '{"id":2,"mere":[]}', '{"id":3,"mere":[12345678901234567890]}'],
    ],
    ['missing fields', ['{"beløb":3}', '{"titel":"x"}']],
    ['fields that are not in the columns', ['{"id":1,"ukendt":"x","andet":[1]}']],
    [
      'names with dots, and names that every object has',
      ['{"aktør.navn":"x","aktør":{"navn":"y"},"constructor":"z","toString":1}'],
    ],
    ['spaces and tabs at the edges', ['{"id":1,"titel":"  x\\t"}', '{"id":2,"titel":" "}', '{"id":3,"titel":"=1+1"}']],
    ['a control character', [String.raw`{"titel":"a\u0000b\u001fc"}`]],
    ['a long text', [JSON.stringify({ id: 1, titel: 'æ"\n'.repeat(300_000) })]],
  ])('brings back %s', async (_what, texts) => {
    expect(await roundTrip(texts)).toEqual(texts.map(expected));
  });

  it('brings back 100,000 records in their order', async () => {
    const texts = Array.from(
      { length: 100_000 },
      (_, id) => `{"id":${id},"titel":"sag \\"${id}\\"","beløb":${id}.10,"ok":${id % 2 === 0}}`,
    );
    const found = await roundTrip(texts);
    expect(found.length).toBe(texts.length);
    const wrong = texts.findIndex((text, index) => JSON.stringify(found[index]) !== JSON.stringify(expected(text)));
    expect(wrong).toBe(-1);
  });

  it('gives the same bytes, whatever the size of the batches', async () => {
    const texts = Array.from({ length: 1001 }, (_, id) => `{"id":${id}}`);
    const sums = new Set<string>();
    for (const size of [1, 7, 1000, 5000]) {
      const batches = Array.from({ length: Math.ceil(texts.length / size) }, (_, index) =>
        linesOf(texts.slice(index * size, (index + 1) * size)),
      );
      const staged = await writeExports(
        await exportRequest([], { formats: [format], columns, records: [linesOf([]), ...batches, linesOf([])] }),
      );
      sums.add(staged.files[0]?.sha256 ?? '');
      await staged.discard();
    }
    expect(sums.size).toBe(1);
  });

  it('counts and hashes exactly what it wrote', async () => {
    const texts = ['{"id":1,"titel":"æøå 😀"}', '{"id":2}'];
    const staged = await writeExports(await exportRequest(texts, { formats: [format], columns }));
    const [file] = await staged.publish();
    expect(file).toMatchObject({ format, records: 2, ...(await measureFile(file?.path ?? '')) });
  });

  it('writes the shaped record when there is a transformation', async () => {
    const transform = (record: Record<string, unknown>) => ({
      id: record['id'],
      titel: record['navn'],
      mere: { id: record['id'] },
    });
    const texts = ['{"id":12345678901234567890,"navn":"Æ"}', '{"id":1.10,"navn":""}'];
    const request = await exportRequest(texts, { formats: [format], columns, transform });
    const shaped = [
      '{"id":12345678901234567890,"titel":"Æ","mere":{"id":12345678901234567890}}',
      '{"id":1.10,"titel":"","mere":{"id":1.10}}',
    ];
    expect(read((await publishedTexts(request))[format] ?? '')).toEqual(shaped.map(expected));
  });
});

describe('the bytes of each format', () => {
  const texts = ['{"id":1,"titel":"a \\"b\\"","ok":true}', '{"id":2, "titel":"","ok":null}'];
  const written = async (records: readonly string[]) =>
    publishedTexts(
      await exportRequest(records, { formats: ['ndjson', 'json', 'csv'], columns: ['titel', 'id', 'ok'] }),
    );

  it('are as documented for some records, which the JSON formats do not touch', async () => {
    expect(await written(texts)).toEqual({
      ndjson: `${texts[0]}\n${texts[1]}\n`,
      json: `[\n${texts[0]},\n${texts[1]}\n]\n`,
      csv: 'titel,id,ok\n"a ""b""",1,true\n"",2,\n',
    });
  });

  it('are as documented for none', async () => {
    expect(await written([])).toEqual({ ndjson: '', json: '[]\n', csv: 'titel,id,ok\n' });
  });

  it('keep a record that came on several lines on one', async () => {
    const { ndjson } = await written(['{\r\n "id": 1,\n "titel": "x"\n}']);
    expect(ndjson?.split('\n').length).toBe(2);
    expect(JSON.parse(ndjson ?? '')).toEqual({ id: 1, titel: 'x' });
  });
});
