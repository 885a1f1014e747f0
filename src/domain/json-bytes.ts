/**
 * JSON kept as the bytes it came in (UTF-8): what a source sent is what a table and a file hold, and a record that nobody
 * has to look into is never made into a string, whose copy costs twice its size.
 *
 * A record is cut out of its page in one walk over the bytes, which also tells whether PostgreSQL might refuse it. All of it
 * takes text that is known to be valid JSON. Other text gives a meaningless answer or a SyntaxError, but never an endless loop.
 */

// In each module that walks over bytes: imported, they would be loaded for each byte (docs/performance.md).
const quote = 0x22;
const minus = 0x2d;
const comma = 0x2c;
const zero = 0x30;
const nine = 0x39;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const letterU = 0x75;
/** Outside of strings, valid JSON has no character up to this one that is not insignificant whitespace. */
const space = 0x20;

/** PostgreSQL's numeric takes 16,383 digits after the point and 131,072 before: far above this. */
const safeNumberLength = 300;
/** jsonb's parser is recursive and stops at max_stack_depth (2 MB by default: some thousand levels). */
const safeDepth = 500;
/** A jsonb value may not exceed 2^28 - 1 bytes, and a digit can take twelve. */
export const SAFE_LENGTH = 2 ** 24;

/** One JSON value as it came. */
export interface JsonSlice {
  /** On one line, without whitespace between its tokens. */
  readonly json: Buffer;
  /**
   * Whether PostgreSQL's jsonb might refuse it: `\u0000` or half a surrogate pair (any surrogate escape counts), a number
   * with an exponent or very many digits, deep nesting, great length. True may be a false alarm, to be settled with
   * `pg_input_is_valid`; false is certain.
   */
  readonly needsCheck: boolean;
}

/** A place in a text, and what was met on the way there since the flags were last cleared. */
interface Cursor {
  readonly bytes: Buffer;
  at: number;
  /** Whitespace between tokens. */
  isSpaced: boolean;
  /** What PostgreSQL might refuse. */
  isDaring: boolean;
}

/**
 * The elements of the array at the top-level `property` of a JSON object's text; undefined when there is no such array. As
 * in `JSON.parse`, the last of several properties of that name counts.
 *
 * Elements are views of `bytes`, and keep them in memory as long as any of them lives. Only an element with whitespace
 * between its tokens is copied, without it.
 */
export function sliceElements(bytes: Buffer, property: string): JsonSlice[] | undefined {
  const cursor: Cursor = { bytes, at: 0, isSpaced: false, isDaring: false };
  skipSpace(cursor);
  if (bytes[cursor.at] !== openBrace) return undefined;
  let elements: JsonSlice[] | undefined;
  stepInto(cursor);
  while (cursor.at < bytes.length && bytes[cursor.at] !== closeBrace) {
    const isWanted = takeKey(cursor) === property;
    if (!isWanted) skipValue(cursor);
    else elements = takeElements(cursor);
    skipComma(cursor);
  }
  return elements;
}

/** The JSON value that starts at `start`, and where it ends. */
export function sliceAt(bytes: Buffer, start: number): JsonSlice & { readonly end: number } {
  const cursor: Cursor = { bytes, at: start, isSpaced: false, isDaring: false };
  return { ...takeSlice(cursor), end: cursor.at };
}

/** One JSON value's text, as it would be sliced out of an array. Whitespace around it goes, too. */
export function sliceOne(text: string): JsonSlice {
  const bytes = Buffer.from(text);
  const cursor: Cursor = { bytes, at: 0, isSpaced: false, isDaring: false };
  skipSpace(cursor);
  return takeSlice(cursor);
}

/** Reads a property's name and the colon after it. */
function takeKey(cursor: Cursor): string {
  const start = cursor.at;
  skipString(cursor);
  const source = cursor.bytes.toString('utf8', start, cursor.at);
  skipSpace(cursor);
  stepInto(cursor);
  return source.includes('\\') ? String(JSON.parse(source)) : source.slice(1, -1);
}

/** Walks over a value; its elements when it is an array. */
function takeElements(cursor: Cursor): JsonSlice[] | undefined {
  const { bytes } = cursor;
  if (bytes[cursor.at] !== openBracket) {
    skipValue(cursor);
    return undefined;
  }
  const elements: JsonSlice[] = [];
  stepInto(cursor);
  while (cursor.at < bytes.length && bytes[cursor.at] !== closeBracket) {
    elements.push(takeSlice(cursor));
    skipComma(cursor);
  }
  cursor.at++;
  return elements;
}

function takeSlice(cursor: Cursor): JsonSlice {
  const { bytes, at: start } = cursor;
  cursor.isSpaced = false;
  cursor.isDaring = false;
  skipValue(cursor);
  const json = cursor.isSpaced ? withoutSpace(bytes, start, cursor.at) : bytes.subarray(start, cursor.at);
  return { json, needsCheck: cursor.isDaring || json.length > SAFE_LENGTH };
}

function skipValue(cursor: Cursor): void {
  const code = cursor.bytes[cursor.at] ?? 0;
  if (code === openBrace || code === openBracket) skipContainer(cursor);
  else if (code === quote) skipString(cursor);
  else if (isNumberStart(code)) skipNumber(cursor);
  else skipWord(cursor);
}

function skipContainer(cursor: Cursor): void {
  const { bytes } = cursor;
  cursor.at++;
  for (let depth = 1; depth > 0 && cursor.at < bytes.length; ) {
    const code = bytes[cursor.at] ?? 0;
    if (code === quote) skipString(cursor);
    else if (isNumberStart(code)) skipNumber(cursor);
    else {
      if (code <= space) cursor.isSpaced = true;
      else if (code >= openBracket) depth += depthChange(code);
      if (depth > safeDepth) cursor.isDaring = true;
      cursor.at++;
    }
  }
}

/** Letters, of true, false and null, change nothing. */
function depthChange(code: number): number {
  if (code === openBrace || code === openBracket) return 1;
  return code === closeBrace || code === closeBracket ? -1 : 0;
}

/** The hottest loop: nearly all bytes of a page are inside of strings. */
function skipString(cursor: Cursor): void {
  const { bytes, at: open } = cursor;
  const { length } = bytes;
  let at = open + 1;
  for (; at < length; at++) {
    const code = bytes[at];
    if (code === quote) break;
    if (code !== backslash) continue;
    at++;
    if (bytes[at] === letterU && isDaringEscape(bytes, at + 1)) cursor.isDaring = true;
  }
  if (at >= length) throw new SyntaxError(`Unterminated string in JSON at byte ${open}`);
  cursor.at = at + 1;
}

/** Of the four hex digits at `at`: whether they are 0000, or D800 to DFFF, which PostgreSQL's jsonb might refuse. */
export function isDaringEscape(bytes: Buffer, at: number): boolean {
  const value = Number.parseInt(bytes.toString('latin1', at, at + 4), 16);
  return value === 0 || (value >= 0xd800 && value <= 0xdfff);
}

function isNumberStart(code: number): boolean {
  return code <= nine && (code >= zero || code === minus);
}

function skipNumber(cursor: Cursor): void {
  const { bytes, at: start } = cursor;
  let at = start + 1;
  for (let code = bytes[at] ?? comma; !endsScalar(code); code = bytes[++at] ?? comma)
    if (code > nine) cursor.isDaring = true; // of all the characters of a number, only e and E are letters
  if (at - start > safeNumberLength) cursor.isDaring = true;
  cursor.at = at;
}

function skipWord(cursor: Cursor): void {
  cursor.at++; // whatever it is: the walk must come to an end
  while (cursor.at < cursor.bytes.length && !endsScalar(cursor.bytes[cursor.at] ?? comma)) cursor.at++;
}

function endsScalar(code: number): boolean {
  return code === comma || code === closeBrace || code === closeBracket || code <= space;
}

function skipSpace(cursor: Cursor): void {
  while ((cursor.bytes[cursor.at] ?? comma) <= space) cursor.at++;
}

function stepInto(cursor: Cursor): void {
  cursor.at++;
  skipSpace(cursor);
}

function skipComma(cursor: Cursor): void {
  skipSpace(cursor);
  if (cursor.bytes[cursor.at] === comma) stepInto(cursor);
}

function withoutSpace(bytes: Buffer, start: number, end: number): Buffer {
  const compact = Buffer.allocUnsafe(end - start);
  const cursor: Cursor = { bytes, at: start, isSpaced: false, isDaring: false };
  let length = 0;
  while (cursor.at < end) {
    const from = cursor.at;
    const code = bytes[from] ?? 0;
    if (code === quote) skipString(cursor);
    else cursor.at++;
    if (code > space) length += bytes.copy(compact, length, from, cursor.at);
  }
  return compact.subarray(0, length);
}
