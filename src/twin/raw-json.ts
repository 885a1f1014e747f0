/** One member of an object's text: its name, and its value exactly as it was written. */
export type RawMember = { readonly name: string; readonly value: string };

/** A run of digits that a double may not hold exactly. */
const longNumber = /\d{16}/;

/**
 * Parses JSON, with integers beyond 2^53 as bigint instead of rounded.
 * Throws a SyntaxError on text that is not JSON.
 */
export function parseJson(text: string): unknown {
  return longNumber.test(text) ? JSON.parse(text, keepLongIntegers) : JSON.parse(text);
}

function keepLongIntegers(_name: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || Number.isSafeInteger(value)) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** Parses the text of a row; anything but an object answers an empty one. */
export function parseRow(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The top-level members of an object's text, in order, with the bytes of each value untouched. The text must be valid JSON. */
export function rawMembers(text: string): RawMember[] {
  const members: RawMember[] = [];
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (at < text.length && text[at] !== '}') {
    const nameEnd = endOfString(text, at);
    const valueStart = skipSpace(text, text.indexOf(':', nameEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    members.push({ name, value: text.slice(valueStart, valueEnd).trimEnd() });
    at = skipSpace(text, text[valueEnd] === ',' ? valueEnd + 1 : valueEnd);
  }
  return members;
}

/** The text of an object with these members. */
export function joinMembers(members: readonly RawMember[]): string {
  return '{' + members.map((member) => JSON.stringify(member.name) + ':' + member.value).join(',') + '}';
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= 32) at += 1;
  return at;
}

/** The index behind the closing quote of the string that starts at `from`. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** The index of the comma or bracket that ends the value starting at `from`. */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      at = endOfString(text, at);
      continue;
    }
    if (depth === 0 && (character === ',' || character === '}')) return at;
    if (character === '{' || character === '[') depth += 1;
    if (character === '}' || character === ']') depth -= 1;
    at += 1;
  }
  return at;
}
