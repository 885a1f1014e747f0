/**
 * The rows of a page that are as the metadata say, read without parsing them: one walk over a row's bytes finds its end, its
 * key and its timestamp, and holds every name and value against what is expected. Nearly all rows of a well source are so.
 *
 * The walk is strict, and gives up on whatever it does not know: a row that it takes is JSON for sure, and `JSON.parse`,
 * `observeFields` and `normaliseRecord` would make the same of it. A fuzz test holds it against them.
 */

import { hasMark, stands, WORD, type WordBytes, type WordText, wordsOf } from '../domain/byte-words.ts';
import { isDaringEscape, SAFE_LENGTH } from '../domain/json-bytes.ts';
import type { Entity, Field, FieldType } from '../domain/record.ts';
import { readTimestamp } from '../domain/timestamp.ts';

export interface PlainRow {
  /** Where in the page it ends. */
  readonly end: number;
  readonly key: string;
  readonly timestamp: string | null;
  /** See `JsonSlice`. */
  readonly needsCheck: boolean;
}

/** What a row's bytes must be, member by member. */
export type RowLayout = readonly Member[];

interface Member {
  /** All that stands before its value: a brace or a comma, its name, and a colon. */
  readonly prefix: WordText;
  readonly isNullable: boolean;
  readonly form: Form;
  readonly role: 'key' | 'timestamp' | null;
}

type Form = 'string' | 'date' | 'uuid' | 'small' | 'integer' | 'number' | 'boolean';

const FORMS: Readonly<Partial<Record<FieldType, Form>>> = {
  text: 'string',
  timestamp: 'date',
  timestamptz: 'date',
  date: 'date',
  uuid: 'uuid',
  smallint: 'small',
  integer: 'integer',
  bigint: 'integer',
  numeric: 'number',
  double: 'number',
  boolean: 'boolean',
};

/** Digits that surely fit into the type; a number of more is left to those who look closely. */
const MOST_DIGITS = { small: 4, integer: 9, number: 100 } as const;
const MOST_KEY_BYTES = 512;
const UUID_LENGTH = 36;
/** Of `2014-09-19`. */
const DATE_LENGTH = 10;

// In each module that walks over bytes: imported, they would be loaded for each byte (docs/performance.md).
const quote = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;
const backslash = 0x5c;
const letterN = 0x6e;
const letterT = 0x74;
const letterU = 0x75;
const closeBrace = 0x7d;
const space = 0x20;
const firstBeyondAscii = 0x80;
const escapable: ReadonlySet<number> = new Set([...'"\\/bfnrt'].map((letter) => letter.charCodeAt(0)));
const NULL = Buffer.from('null');
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

/** What the walk over a row has met with. */
interface Walk {
  readonly page: WordBytes;
  needsCheck: boolean;
}

/** Each order of fields belongs to one entity, and is an array of its own. */
const compiled = new WeakMap<readonly Field[], RowLayout | null>();

/** The layout of rows that have these fields in this order; null where none can be told, and every row must be parsed. */
export function layoutOf(fields: readonly Field[], entity: Entity): RowLayout | null {
  const known = compiled.get(fields);
  if (known !== undefined) return known;
  const layout = compile(fields, entity);
  compiled.set(fields, layout);
  return layout;
}

function compile(fields: readonly Field[], entity: Entity): RowLayout | null {
  const layout = fields.map(({ name, type, isNullable }, index): Member | null => {
    const form = FORMS[type];
    const prefix = Buffer.from(`${index === 0 ? '{' : ','}${JSON.stringify(name)}:`);
    return form === undefined ? null : { prefix: wordsOf(prefix), isNullable, form, role: roleOf(name, entity) };
  });
  const members = layout.filter((member) => member !== null);
  const hasKey = members.some(({ role, form }) => role === 'key' && (form === 'integer' || form === 'string'));
  const isPlain = hasKey && entity.timestampField !== entity.keyField;
  return isPlain && members.length === layout.length ? members : null;
}

function roleOf(name: string, { keyField, timestampField }: Entity): Member['role'] {
  if (name === keyField) return 'key';
  return name === timestampField ? 'timestamp' : null;
}

/** The row that starts at `start` of the page; null when it is not a plain one. */
export function readPlainRow(page: WordBytes, start: number, layout: RowLayout): PlainRow | null {
  const { bytes } = page;
  const walk: Walk = { page, needsCheck: false };
  let at = start;
  let key: string | null = null;
  let timestamp: string | null = null;
  for (const member of layout) {
    if (!stands(member.prefix, page, at)) return null;
    const from = at + member.prefix.length;
    at = skipValue(walk, from, member);
    if (at < 0) return null;
    if (member.role === 'key') key = readKey(bytes, from, at);
    else if (member.role === 'timestamp') {
      const text = bytes.toString('latin1', from + 1, at - 1);
      if (text.includes('\\')) return null; // an escape may stand for a digit
      timestamp = readTimestamp(text);
    }
  }
  if (key === null || bytes[at] !== closeBrace) return null;
  return { end: at + 1, key, timestamp, needsCheck: walk.needsCheck || at - start > SAFE_LENGTH };
}

function isAt(bytes: Buffer, at: number, expected: Buffer): boolean {
  const { length } = expected;
  for (let index = 0; index < length; index++) if (bytes[at + index] !== expected[index]) return false;
  return true;
}

/** Where the value that starts at `from` ends; -1 when it is not plainly what the member must be. */
function skipValue(walk: Walk, from: number, { form, isNullable }: Member): number {
  const { bytes } = walk.page;
  const first = bytes[from] ?? 0;
  if (first === letterN) return isNullable && isAt(bytes, from, NULL) ? from + NULL.length : -1;
  switch (form) {
    case 'string':
      return first === quote ? skipString(walk, from) : -1;
    case 'date':
      return first === quote && isDated(bytes, from + 1) ? skipString(walk, from) : -1;
    case 'uuid':
      return first === quote ? skipUuid(bytes, from) : -1;
    case 'boolean':
      return skipWord(bytes, from, first === letterT ? TRUE : FALSE);
    default:
      return skipNumber(bytes, from, form);
  }
}

function skipString(walk: Walk, open: number): number {
  const { page } = walk;
  const { bytes } = page;
  for (let at = skipWords(page, open + 1); at < bytes.length; at++) {
    const code = bytes[at] ?? 0;
    if (code === quote) return at + 1;
    if (code < space) return -1;
    if (code !== backslash) continue;
    const last = skipEscape(walk, at);
    if (last < 0) return -1;
    at = skipWords(page, last + 1) - 1;
  }
  return -1;
}

/** The first word from `from` on that has something in it to be looked at, or is not whole. */
function skipWords({ view, lastWord }: WordBytes, from: number): number {
  let at = from;
  while (at <= lastWord && !hasMark(view.getInt32(at, true))) at += WORD;
  return at;
}

/** The last byte of the escape that starts at `at`. */
function skipEscape(walk: Walk, at: number): number {
  const { bytes } = walk.page;
  const letter = bytes[at + 1] ?? 0;
  if (escapable.has(letter)) return at + 1;
  if (letter !== letterU || !/^[\da-fA-F]{4}$/.test(bytes.toString('latin1', at + 2, at + 6))) return -1;
  if (isDaringEscape(bytes, at + 2)) walk.needsCheck = true;
  return at + 5;
}

/** A date is told by its first bytes, as `observeFields` tells it; a byte beyond ASCII would shift them. */
function isDated(bytes: Buffer, from: number): boolean {
  for (let at = from; at < from + DATE_LENGTH; at++) {
    const code = bytes[at] ?? 0;
    if (code < space || code >= firstBeyondAscii || code === quote || code === backslash) return false;
  }
  return bytes[from + 4] === minus && bytes[from + 7] === minus;
}

function skipUuid(bytes: Buffer, open: number): number {
  const close = open + 1 + UUID_LENGTH;
  for (let at = open + 1; at < close; at++) {
    const code = bytes[at] ?? 0;
    if (code < space || code >= firstBeyondAscii || code === quote || code === backslash) return -1;
  }
  return bytes[close] === quote ? close + 1 : -1;
}

function skipWord(bytes: Buffer, from: number, word: Buffer): number {
  return isAt(bytes, from, word) ? from + word.length : -1;
}

/** Digits without a leading zero, and, where it need not be whole, a fraction; never an exponent. */
function skipNumber(bytes: Buffer, from: number, form: 'small' | 'integer' | 'number'): number {
  const first = bytes[from] === minus ? from + 1 : from;
  let at = skipDigits(bytes, first);
  const digits = at - first;
  if (digits === 0 || digits > MOST_DIGITS[form] || (digits > 1 && bytes[first] === zero)) return -1;
  if (bytes[at] === point && form === 'number') {
    const fraction = at + 1;
    at = skipDigits(bytes, fraction);
    if (at === fraction || at - fraction > MOST_DIGITS.number) return -1;
  }
  return bytes[at] === comma || bytes[at] === closeBrace ? at : -1;
}

function skipDigits(bytes: Buffer, from: number): number {
  let at = from;
  for (let code = bytes[at] ?? 0; code >= zero && code <= nine; code = bytes[at] ?? 0) at++;
  return at;
}

/** Null for a key that needs a closer look. */
function readKey(bytes: Buffer, from: number, to: number): string | null {
  const first = bytes[from];
  if (first !== quote) return first === minus || first === letterN ? null : bytes.toString('latin1', from, to);
  const isShort = to - from > 2 && to - from <= MOST_KEY_BYTES;
  const text = isShort ? bytes.toString('utf8', from + 1, to - 1) : '';
  return text === '' || text.includes('\\') ? null : text;
}
