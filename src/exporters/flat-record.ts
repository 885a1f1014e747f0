import { hasComma, hasMark, stands, WORD, type WordBytes, wordBytes, wordsOf } from '../domain/byte-words.ts';
import { type RecordLines, startAt } from '../domain/record-lines.ts';

/**
 * Finds where in the bytes of a record the values of a table's columns stand, without making objects or strings of them.
 *
 * It knows flat records only: an object whose values are strings, numbers, true, false and null, and whose names have no escapes, each of them once. Of all else it
 * says that it does not know it. It is as strict as `JSON.parse`, except that escapes within strings are left to whoever reads them.
 *
 * Records of one dataset have mostly the same names in the same order. So for each name, the bytes from the end of the value before it to the beginning of its own
 * value are remembered, with what they stand for; then reading a name is comparing its bytes with those that followed the last time.
 */

/** What a column's value is in a record. */
export const MISSING = 0;
export const NULL = 1;
/** A number, true or false: as it stands there. */
export const PLAIN = 2;
/** A string, whose bytes between the quotes are the text. */
export const TEXT = 3;
/** The same, with a comma in it. */
export const TEXT_WITH_COMMA = 4;
/** A string with escapes, and perhaps with commas. */
export const ESCAPED = 5;

// In each module that walks over bytes: imported, they would be loaded for each byte (docs/performance.md).
const quote = 0x22;
const plus = 0x2b;
const comma = 0x2c;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;
const colon = 0x3a;
const upperE = 0x45;
const backslash = 0x5c;
const lowerE = 0x65;
const lowerF = 0x66;
const lowerN = 0x6e;
const lowerT = 0x74;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const space = 0x20;

/** A name with all that stands between the value before it and its own: `,"titel":`. */
interface Lead {
  readonly words: Int32Array;
  readonly length: number;
  /** The place of its column; -1 for a name that is no column. */
  readonly column: number;
  /** The one that followed it the last time. */
  next: Lead | undefined;
}

/** Names that are no columns are remembered as well, but not without end. */
const MOST_LEADS = 4096;

export class FlatRecord {
  /** Where the record stands that was read last, with others, and how long it is. */
  page: WordBytes = wordBytes(Buffer.alloc(0));
  length = 0;
  /** By column: what its value is, and where in the page it begins and ends. Strings without their quotes. */
  readonly kinds: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly #columns: ReadonlyMap<string, number>;
  /** By their bytes. */
  readonly #leads = new Map<string, Lead>();
  /** Before the first name. */
  readonly #begin: Lead = { words: new Int32Array(), length: 0, column: -1, next: undefined };
  #at = 0;

  constructor(columns: readonly string[]) {
    this.kinds = new Uint8Array(columns.length);
    this.starts = new Int32Array(columns.length);
    this.ends = new Int32Array(columns.length);
    this.#columns = new Map(columns.map((name, column) => [Buffer.from(name).toString('latin1'), column]));
  }

  /** Reads one of the records. False for one that is not known to be flat. */
  read(records: RecordLines, index: number): boolean {
    const { bytes } = records;
    const start = startAt(records, index);
    const end = records.ends[index] ?? start;
    if (this.page.bytes !== bytes) this.page = wordBytes(bytes);
    this.length = end - start;
    this.kinds.fill(MISSING);
    this.#at = start;
    let lead: Lead | undefined = this.#begin;
    while (bytes[this.#at] !== closeBrace) {
      lead = this.#readLead(bytes, lead);
      if (lead === undefined || !this.#readValue(bytes, lead.column)) return false;
    }
    return this.#at + 1 === end && lead !== this.#begin;
  }

  #readLead(bytes: Buffer, last: Lead): Lead | undefined {
    const expected = last.next;
    if (expected === undefined || !stands(expected, this.page, this.#at)) return this.#findLead(bytes, last);
    this.#at += expected.length;
    return expected;
  }

  #findLead(bytes: Buffer, last: Lead): Lead | undefined {
    const before = skipSpace(bytes, this.#at);
    if (bytes[before] !== (last === this.#begin ? openBrace : comma)) return undefined;
    const open = skipSpace(bytes, before + 1);
    const close = bytes[open] === quote ? bytes.indexOf(quote, open + 1) : -1;
    const after = skipSpace(bytes, close + 1);
    if (close === -1 || bytes[after] !== colon) return undefined;
    const valueStart = skipSpace(bytes, after + 1);
    const lead = this.#leadOf(
      bytes.toString('latin1', this.#at, valueStart),
      bytes.toString('latin1', open + 1, close),
    );
    last.next = lead;
    this.#at = valueStart;
    return lead;
  }

  #leadOf(text: string, name: string): Lead | undefined {
    const known = this.#leads.get(text);
    if (known !== undefined) return known;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (/[\x00-\x1f\\]/.test(name) || this.#leads.size === MOST_LEADS) return undefined;
    const column = this.#columns.get(name) ?? -1;
    const lead: Lead = { ...wordsOf(Buffer.from(text, 'latin1')), column, next: undefined };
    this.#leads.set(text, lead);
    return lead;
  }

  /** Walks over a value, and notes it down when it is a column's first. */
  #readValue(bytes: Buffer, column: number): boolean {
    const start = this.#at;
    const first = bytes[start];
    if (first === quote) {
      const kind = this.#readText(bytes);
      return kind !== MISSING && this.#note(column, kind, start + 1, this.#at - 1);
    }
    const end = scalarEnd(bytes, start);
    this.#at = end;
    return end !== -1 && this.#note(column, first === lowerN ? NULL : PLAIN, start, end);
  }

  /** The hottest loop. MISSING for what is no string. */
  #readText(bytes: Buffer): number {
    let kind = TEXT;
    let at = skipWords(this.page, this.#at + 1, kind);
    for (;;) {
      const byte = bytes[at++] ?? 0;
      if (byte > backslash) continue;
      if (byte === quote) break;
      if (byte < space) return MISSING;
      if (byte === comma && kind === TEXT) {
        kind = TEXT_WITH_COMMA;
        at = skipWords(this.page, at, kind);
      } else if (byte === backslash) {
        kind = ESCAPED;
        if ((bytes[at++] ?? 0) < space) return MISSING;
        at = skipWords(this.page, at, kind);
      }
    }
    this.#at = at;
    return kind;
  }

  #note(column: number, kind: number, start: number, end: number): boolean {
    if (column === -1) return kind !== ESCAPED; // whether it is an escape, nobody would look
    if (this.kinds[column] !== MISSING) return false;
    this.kinds[column] = kind;
    this.starts[column] = start;
    this.ends[column] = end;
    return true;
  }
}

/** The first word of a string that tells more of it than is known, or is not whole. Of commas, one is enough to know. */
function skipWords({ view, lastWord }: WordBytes, from: number, kind: number): number {
  let at = from;
  for (; at <= lastWord; at += WORD) {
    const word = view.getInt32(at, true);
    if (hasMark(word) || (kind === TEXT && hasComma(word))) break;
  }
  return at;
}

function skipSpace(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] === space || bytes[at] === 0x09) at++;
  return at;
}

/** The end of a number, true, false or null; -1 for anything else. */
function scalarEnd(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === lowerN) return wordEnd(bytes, start, 'null');
  if (first === lowerT) return wordEnd(bytes, start, 'true');
  if (first === lowerF) return wordEnd(bytes, start, 'false');
  return numberEnd(bytes, start);
}

function wordEnd(bytes: Buffer, start: number, word: string): number {
  for (let at = 0; at < word.length; at++) if (bytes[start + at] !== word.charCodeAt(at)) return -1;
  return start + word.length;
}

function numberEnd(bytes: Buffer, start: number): number {
  let at = bytes[start] === minus ? start + 1 : start;
  at = bytes[at] === zero ? at + 1 : digitsEnd(bytes, at);
  if (at !== -1 && bytes[at] === point) at = digitsEnd(bytes, at + 1);
  if (at !== -1 && (bytes[at] === lowerE || bytes[at] === upperE)) {
    const sign = bytes[at + 1];
    at = digitsEnd(bytes, sign === plus || sign === minus ? at + 2 : at + 1);
  }
  return at;
}

/** -1 where there is no digit. */
function digitsEnd(bytes: Buffer, start: number): number {
  let at = start;
  while (isDigit(bytes[at])) at++;
  return at === start ? -1 : at;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= nine;
}
