import type { Binary, Call, FilterNode, Instant } from './filter-syntax.ts';
import { parseInstant } from './filter-syntax.ts';

/**
 * Judges a filter on a record that came back, to find out a source that ignored the filter. The logic has three values:
 * undefined means that it cannot be told from here. Only a definite `false` may be held against the source, so
 * whatever depends on its collation, its rounding or its other entities has to come out as undefined.
 */
export function evaluate(filter: FilterNode, record: Readonly<Record<string, unknown>>): boolean | undefined {
  const value = termValue(filter, record);
  return typeof value === 'boolean' ? value : undefined;
}

type Value = string | number | boolean | null | Instant | undefined;
type Row = Readonly<Record<string, unknown>>;

function termValue(node: FilterNode, record: Row): Value {
  switch (node.kind) {
    case 'literal':
      return node.value;
    case 'path':
      return node.segments.length === 1 ? fieldValue(record[node.segments[0] ?? '']) : undefined;
    case 'lambda':
      return undefined;
    case 'call':
      return callValue(node, record);
    case 'unary':
      return node.operator === 'not' ? negate(evaluate(node.operand, record)) : undefined;
    case 'binary':
      return binaryValue(node, record);
  }
}

/** A field that was not selected, or that leads to another entity, cannot be judged. */
function fieldValue(value: unknown): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value !== 'number') return undefined;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : value;
}

function negate(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

function binaryValue(node: Binary, record: Row): boolean | undefined {
  const { operator } = node;
  if (operator === 'and' || operator === 'or') return connect(node, operator === 'or', record);
  return compare(operator, termValue(node.left, record), termValue(node.right, record));
}

/** One side that decides is enough: `true` for `or`, `false` for `and`. */
function connect({ left, right }: Binary, decisive: boolean, record: Row): boolean | undefined {
  const sides = [evaluate(left, record), evaluate(right, record)];
  if (sides.includes(decisive)) return decisive;
  return sides.includes(undefined) ? undefined : !decisive;
}

function compare(operator: string, left: Value, right: Value): boolean | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (left === null || right === null) return compareWithNull(operator, left, right);
  if (isInstant(left) || isInstant(right)) return compareInstants(operator, left, right);
  if (typeof left === 'string' && typeof right === 'string') return compareText(operator, left, right);
  if (typeof left === 'number' && typeof right === 'number') return compareNumbers(operator, left, right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return byOrder(operator, Number(left) - Number(right));
  return undefined;
}

/** A null is equal to nothing but null. Whether it is different (`ne`), or in order, is left to the source's own logic. */
function compareWithNull(operator: string, left: Value, right: Value): boolean | undefined {
  const isBoth = left === null && right === null;
  if (operator === 'eq') return isBoth;
  return operator === 'ne' && isBoth ? false : undefined;
}

/** A fraction may have been stored with less precision than it is written with: only whole numbers are certain. */
function compareNumbers(operator: string, left: number, right: number): boolean | undefined {
  return Number.isInteger(left) && Number.isInteger(right) ? byOrder(operator, left - right) : undefined;
}

/** SQL Server's `datetime` moves in steps of 1/300 s, of which only multiples of 10 ms are written exactly. */
const DATETIME_STEP_MS = 4;

function compareInstants(operator: string, left: Value, right: Value): boolean | undefined {
  const [a, b] = [instantOf(left), instantOf(right)];
  if (a === null || b === null) return undefined;
  const isExact = a.instantMs % 10 === 0 && b.instantMs % 10 === 0;
  const difference = a.instantMs - b.instantMs;
  return isExact || Math.abs(difference) > DATETIME_STEP_MS ? byOrder(operator, difference) : undefined;
}

function instantOf(value: Value): Instant | null {
  if (typeof value === 'string') return parseInstant(value);
  return isInstant(value) ? value : null;
}

function isInstant(value: Value): value is Instant {
  return typeof value === 'object' && value !== null;
}

function byOrder(operator: string, difference: number): boolean | undefined {
  switch (operator) {
    case 'eq':
      return difference === 0;
    case 'ne':
      return difference !== 0;
    case 'gt':
      return difference > 0;
    case 'ge':
      return difference >= 0;
    case 'lt':
      return difference < 0;
    case 'le':
      return difference <= 0;
    default:
      return undefined;
  }
}

/** The order of texts is the collation's business, and so is the equality of those that differ only as `fold` forgives. */
function compareText(operator: string, left: string, right: string): boolean | undefined {
  if (left === right) return byOrder(operator, 0);
  if (fold(left) === fold(right)) return undefined;
  return operator === 'eq' || operator === 'ne' ? operator === 'ne' : undefined;
}

/**
 * Drops what a case-insensitive Danish collation may not tell apart: case, accents, width, trailing spaces, characters
 * without weight, and aa for å. Coarser than any real collation, so that "different" is certain.
 */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\p{M}\p{C}\s]/gu, '')
    .toLowerCase()
    .replace(/a+/g, 'a')
    .replaceAll('æ', 'ae')
    .replaceAll('ø', 'o')
    .replaceAll('þ', 'th')
    .replaceAll('ß', 'ss')
    .replaceAll('ü', 'u');
}

function callValue({ name, operands }: Call, record: Row): Value {
  const values = operands.map((operand) => termValue(operand, record));
  if (name === 'substringof') return contains(values[1], values[0], (text, part) => text.includes(part));
  if (name === 'startswith') return contains(values[0], values[1], (text, part) => text.startsWith(part));
  if (name === 'endswith') return contains(values[0], values[1], (text, part) => text.endsWith(part));
  if (name === 'tolower' || name === 'toupper') return changeCase(name, values[0]);
  return datePart(name, values[0]);
}

/** True and false only where folding does not matter. */
function contains(text: Value, part: Value, test: (text: string, part: string) => boolean): boolean | undefined {
  if (typeof text !== 'string' || typeof part !== 'string' || part === '') return undefined;
  if (test(text, part)) return true;
  return test(fold(text), fold(part)) ? undefined : false;
}

function changeCase(name: string, value: Value): Value {
  if (typeof value !== 'string') return undefined;
  return name === 'tolower' ? value.toLowerCase() : value.toUpperCase();
}

const DATE_PARTS: ReadonlyMap<string, (date: Date) => number> = new Map([
  ['year', (date) => date.getUTCFullYear()],
  ['month', (date) => date.getUTCMonth() + 1],
  ['day', (date) => date.getUTCDate()],
  ['hour', (date) => date.getUTCHours()],
  ['minute', (date) => date.getUTCMinutes()],
]);

function datePart(name: string, value: Value): number | undefined {
  const part = DATE_PARTS.get(name);
  const instant = instantOf(value);
  return part === undefined || instant === null ? undefined : part(new Date(instant.instantMs));
}
