import { type WordBytes, wordBytes } from '../../domain/byte-words.ts';
import { bodyStart } from '../../domain/classify.ts';
import { TransientError } from '../../domain/errors.ts';
import { type JsonSlice, sliceAt, sliceElements } from '../../domain/json-bytes.ts';
import { isRow } from '../normalise.ts';
import { type PlainRow, type RowLayout, readPlainRow } from '../plain-row.ts';

/** The JSON of a collection, as it came. */
export interface Collection<Row = ParsedRow> {
  readonly envelope: Record<string, unknown>;
  readonly rows: readonly Row[];
}

/** A row as it came, and parsed. */
export interface ParsedRow extends JsonSlice {
  readonly value: unknown;
}

/** A row that is as expected, and was not parsed for that. */
export interface UnparsedRow extends JsonSlice {
  readonly plain: PlainRow;
}

/** Throws a TransientError for anything but a collection. */
export function parseCollection(body: Buffer): Collection {
  const envelope = parseJson(body);
  const values = isRow(envelope) ? envelope['value'] : undefined;
  if (!isRow(envelope) || !Array.isArray(values)) throw notCollection(body);
  const slices = sliceElements(body, 'value');
  if (slices?.length !== values.length) throw notCollection(body);
  return { envelope, rows: slices.map((slice, index) => ({ ...slice, value: values[index] as unknown })) };
}

/**
 * The same, without parsing the rows that the layout describes. What is not written in the plainest way, with nothing
 * between its rows but commas, is left to `parseCollection`.
 */
export function readCollection(body: Buffer, layout: RowLayout | null): Collection<ParsedRow | UnparsedRow> {
  return (layout && readPlainCollection(body, layout)) ?? parseCollection(body);
}

const NAME = '"value"';
const ARRAY_START = Buffer.from(`${NAME}:[`);
const comma = 0x2c;
const closeBracket = 0x5d;

function readPlainCollection(body: Buffer, layout: RowLayout): Collection<ParsedRow | UnparsedRow> | null {
  const start = body.indexOf(ARRAY_START);
  if (start < 0) return null;
  const head = body.toString('utf8', 0, start + ARRAY_START.length);
  if (!isRow(parseOrNull(`${head}]}`))) return null; // the array is inside of something else
  const found = readRows(body, start + ARRAY_START.length, layout);
  if (found === null) return null;
  const tail = body.toString('utf8', found.end);
  if (tail.includes(NAME) || tail.includes('\\')) return null; // of several arrays the last counts
  const envelope = parseOrNull(head + tail);
  return isRow(envelope) ? { envelope, rows: found.rows } : null;
}

/** `end`: the place of the bracket after them. */
function readRows(
  body: Buffer,
  start: number,
  layout: RowLayout,
): { readonly rows: (ParsedRow | UnparsedRow)[]; readonly end: number } | null {
  const rows: (ParsedRow | UnparsedRow)[] = [];
  const page = wordBytes(body);
  if (body[start] === closeBracket) return { rows, end: start };
  for (let at = start; ; at++) {
    const row = readPlain(page, at, layout) ?? readParsed(body, at);
    if (row === null) return null;
    rows.push(row.row);
    at = row.end;
    if (body[at] === closeBracket) return { rows, end: at };
    if (body[at] !== comma) return null;
  }
}

interface ReadRow {
  readonly row: ParsedRow | UnparsedRow;
  readonly end: number;
}

function readPlain(page: WordBytes, start: number, layout: RowLayout): ReadRow | null {
  const plain = readPlainRow(page, start, layout);
  if (plain === null) return null;
  const { end, needsCheck } = plain;
  return { row: { json: page.bytes.subarray(start, end), needsCheck, plain }, end };
}

/** Null for what is no row, or no JSON. */
function readParsed(body: Buffer, start: number): ReadRow | null {
  try {
    const { end, ...slice } = sliceAt(body, start);
    const value = JSON.parse(body.toString('utf8', start, end)) as unknown; // as it came: without its spaces it might be JSON
    return isRow(value) ? { row: { ...slice, value }, end } : null;
  } catch {
    return null;
  }
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    const start = bodyStart(body);
    throw new TransientError(`The answer is not JSON, or cut short: ${start || '(empty)'}`, {
      code: 'not-json',
      facts: { bodyStart: start, length: body.length },
      cause: error,
    });
  }
}

function notCollection(body: Buffer): TransientError {
  const start = bodyStart(body);
  return new TransientError(`The answer is JSON, but not a collection with "value": ${start}`, {
    code: 'not-a-collection',
    facts: { bodyStart: start },
  });
}
