import { BadQuery } from './bad-query.ts';
import type { LiteralType } from './filter-parser.ts';

/** A function of the filter language: what it takes, what it gives, and how. Null in gives null out. */
export type FilterFunction = {
  readonly takes: readonly LiteralType[];
  readonly gives: LiteralType;
  readonly apply: (...values: readonly string[]) => string | number | boolean;
};

const text = (apply: FilterFunction['apply'], gives: LiteralType = 'string'): FilterFunction => ({
  takes: ['string'],
  gives,
  apply,
});
const test = (apply: FilterFunction['apply']): FilterFunction => ({
  takes: ['string', 'string'],
  gives: 'boolean',
  apply,
});
const part = (from: number, to: number): FilterFunction => ({
  takes: ['datetime'],
  gives: 'number',
  apply: (value = '') => Number(value.slice(from, to)),
});

const functions: ReadonlyMap<string, FilterFunction> = new Map([
  // In version 3 the needle comes first.
  ['substringof', test((needle = '', value = '') => value.includes(needle))],
  ['startswith', test((value = '', start = '') => value.startsWith(start))],
  ['endswith', test((value = '', end = '') => value.endsWith(end))],
  ['length', text((value = '') => value.length, 'number')],
  ['tolower', text((value = '') => value.toLowerCase())],
  ['toupper', text((value = '') => value.toUpperCase())],
  ['trim', text((value = '') => value.trim())],
  ['concat', { takes: ['string', 'string'], gives: 'string', apply: (left = '', right = '') => left + right }],
  [
    'indexof',
    { takes: ['string', 'string'], gives: 'number', apply: (value = '', needle = '') => value.indexOf(needle) },
  ],
  ['year', part(0, 4)],
  ['month', part(5, 7)],
  ['day', part(8, 10)],
  ['hour', part(11, 13)],
  ['minute', part(14, 16)],
  ['second', part(17, 19)],
]);

/** The function with this name. Throws BadQuery when there is none. */
export function functionNamed(name: string): FilterFunction {
  const found = functions.get(name);
  if (found === undefined) throw new BadQuery('syntax', `There is no function "${name}".`);
  return found;
}
