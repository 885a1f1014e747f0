/**
 * JSON kept as text, so that what a source sent is what a table and a file hold.
 *
 * `JSON.parse` and `JSON.stringify` lose things on the way: integers above 2^53 are rounded, `1.10` becomes `1.1`, `-0` becomes `0`. So a record stays
 * as it came (`json-bytes.ts`), and where it has to be read, the numbers that would not survive keep their text.
 *
 * Everything here walks the structure only and jumps over strings with `indexOf`, which the engine does many bytes at a time: on real pages that is faster than
 * `JSON.parse`. All of it takes text that is known to be valid JSON. Other text gives a meaningless answer or a SyntaxError, but never an endless loop.
 */

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
/** Outside of strings, valid JSON has no character up to this one that is not insignificant whitespace. */
const space = 0x20;

/** Numbers up to this length without fraction and exponent are integers below 10^15, which a double holds exactly. */
const exactDigits = 15;

/** A place in a text. */
interface Cursor {
  readonly text: string;
  at: number;
}

/** A number that would not come back the same from `JSON.stringify`: it holds its own source text. */
export interface RawNumber {
  readonly rawJSON: string;
}

/** `JSON.rawJSON` and the reviver's context are in Node 24 (ECMAScript 2026), and not yet in TypeScript's library. */
interface SourceTextJson {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
}
const sourceTextJson = JSON as unknown as SourceTextJson;

/** An object's text without some of its properties, and the texts of their values. */
export interface CutObject {
  readonly text: string;
  readonly cut: ReadonlyMap<string, string>;
}

/**
 * Takes properties out of an object's text, which must be without whitespace between its tokens, as `sliceElements` gives it. What is left is to the byte what it would be if they had never been there.
 */
export function cutProperties(text: string, isCut: (name: string) => boolean): CutObject {
  const cursor: Cursor = { text, at: 1 };
  const kept: string[] = [];
  const cut = new Map<string, string>();
  while (cursor.at < text.length && text.charCodeAt(cursor.at) !== closeBrace) {
    const start = cursor.at;
    const name = takeKey(cursor);
    const valueStart = cursor.at;
    skipValue(cursor);
    if (isCut(name)) cut.set(name, text.slice(valueStart, cursor.at));
    else kept.push(text.slice(start, cursor.at));
    if (text.charCodeAt(cursor.at) === comma) cursor.at++;
  }
  return { text: `{${kept.join(',')}}`, cut };
}

/**
 * `JSON.parse`, except that a number which `JSON.stringify` would write differently becomes a {@link RawNumber}, so that
 * `JSON.stringify(parseLossless(text))` has the number texts of `text`. Without such numbers, this costs one walk over the text more than `JSON.parse`.
 */
export function parseLossless(text: string): unknown {
  if (!hasInexactNumber(text)) return JSON.parse(text);
  return sourceTextJson.parse(text, keepSource);
}

/** Whether `value` is a number that {@link parseLossless} kept as text. */
export function isRawNumber(value: unknown): value is RawNumber {
  return typeof value === 'object' && sourceTextJson.isRawJSON(value);
}

/** The text of a number from {@link parseLossless}, digit for digit as the source wrote it. */
export function numberText(value: number | RawNumber): string {
  return typeof value === 'number' ? String(value) : value.rawJSON;
}

function keepSource(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined || context.source === String(value)) return value;
  return sourceTextJson.rawJSON(context.source);
}

function hasInexactNumber(text: string): boolean {
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = stringEnd(text, at);
    } else if (isNumberStart(code)) {
      const end = numberEnd(text, at);
      if (!isExact(text, at, end)) return true;
      at = end;
    } else {
      at++;
    }
  }
  return false;
}

function isNumberStart(code: number): boolean {
  return code <= nine && (code >= zero || code === minus);
}

/** The end of the number that starts at `start`: none of its characters can be one that follows it. */
function numberEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && !endsScalar(text.charCodeAt(at))) at++;
  return at;
}

function endsScalar(code: number): boolean {
  return code === comma || code === closeBrace || code === closeBracket || code <= space;
}

function isExact(text: string, start: number, end: number): boolean {
  const isShortInteger = end - start <= exactDigits && isPlainInteger(text, start, end);
  if (isShortInteger) return true;
  const source = text.slice(start, end);
  return String(Number(source)) === source;
}

function isPlainInteger(text: string, start: number, end: number): boolean {
  // A sign is left to the careful comparison, because of -0.
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code < zero || code > nine) return false;
  }
  return true;
}

/** The place after the closing quote of the string that opens at `open`. */
function stringEnd(text: string, open: number): number {
  let close = text.indexOf('"', open + 1);
  while (text.charCodeAt(close - 1) === backslash && isEscaped(text, close)) close = text.indexOf('"', close + 1);
  if (close === -1) throw new SyntaxError(`Unterminated string in JSON at position ${open}`);
  return close + 1;
}

/** A character is escaped by an odd number of backslashes before it. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === backslash) first--;
  return (at - first) % 2 === 1;
}

/** Reads a property's name and the colon after it. */
function takeKey(cursor: Cursor): string {
  const start = cursor.at;
  cursor.at = stringEnd(cursor.text, start);
  const source = cursor.text.slice(start, cursor.at);
  cursor.at++;
  return source.includes('\\') ? String(JSON.parse(source)) : source.slice(1, -1);
}

function skipValue(cursor: Cursor): void {
  const code = cursor.text.charCodeAt(cursor.at);
  if (code === openBrace || code === openBracket) skipContainer(cursor);
  else if (code === quote) cursor.at = stringEnd(cursor.text, cursor.at);
  else cursor.at = numberEnd(cursor.text, cursor.at);
}

/** The hottest loop: local variables, and the brackets (which are the highest codes of all structure) sorted out with one comparison. */
function skipContainer(cursor: Cursor): void {
  const { text } = cursor;
  let at = cursor.at + 1;
  let depth = 1;
  while (depth > 0 && at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = stringEnd(text, at);
    } else {
      if (code >= openBracket) depth += depthChange(code);
      at++;
    }
  }
  cursor.at = at;
}

/** Letters, of true, false and null, change nothing. */
function depthChange(code: number): number {
  if (code === openBrace || code === openBracket) return 1;
  return code === closeBrace || code === closeBracket ? -1 : 0;
}
