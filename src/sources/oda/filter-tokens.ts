import { UsageError } from '../../domain/errors.ts';

/** `position` is the place of the token's first character in the filter, from 0. */
export type Token =
  | { readonly kind: 'name' | 'number' | 'string' | 'symbol'; readonly text: string; readonly position: number }
  | { readonly kind: 'typed'; readonly type: string; readonly text: string; readonly position: number }
  | { readonly kind: 'end'; readonly text: ''; readonly position: number };

type ReadKind = Exclude<Token['kind'], 'end'>;

/** In the order they are tried. A quote inside a string is doubled; a number's suffix gives its type (L, M, D, F). */
const PATTERNS: readonly (readonly [ReadKind, RegExp])[] = [
  ['typed', /(datetimeoffset|datetime|guid|time|binary|X)'([^']*)'/y],
  ['string', /'((?:[^']|'')*)'/y],
  ['number', /-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)[LlMmDdFf]?(?![\p{L}\p{N}_])/uy],
  ['name', /[\p{L}_][\p{L}\p{M}\p{N}_]*/uy],
  ['symbol', /[(),/:-]/y],
];

/** Cuts an OData filter into tokens, the last of them an `end`. Throws a UsageError with the position of what is none. */
export function tokenise(filter: string): Token[] {
  const tokens: Token[] = [];
  let position = skipSpace(filter, 0);
  while (position < filter.length) {
    const [token, end] = readToken(filter, position);
    tokens.push(token);
    position = skipSpace(filter, end);
  }
  tokens.push({ kind: 'end', text: '', position });
  return tokens;
}

function readToken(filter: string, position: number): [Token, number] {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = position;
    const match = pattern.exec(filter);
    if (match === null) continue;
    return [toToken(kind, match, position), pattern.lastIndex];
  }
  const isQuote = filter[position] === "'";
  const what = isQuote ? 'a string that is not closed' : `"${String.fromCodePoint(filter.codePointAt(position) ?? 0)}"`;
  throw syntaxError(filter, position, `there is ${what}`);
}

function toToken(kind: ReadKind, match: RegExpExecArray, position: number): Token {
  const [whole, first = '', second = ''] = match;
  if (kind === 'typed') return { kind, type: first, text: second, position };
  if (kind === 'string') return { kind, text: first.replaceAll("''", "'"), position };
  return { kind, text: whole, position };
}

function skipSpace(filter: string, from: number): number {
  let position = from;
  while (/\s/.test(filter.charAt(position))) position++;
  return position;
}

/** Says where in the filter, with what stands there, since the shell may have changed what was typed. */
export function syntaxError(filter: string, position: number, why: string): UsageError {
  const place =
    position >= filter.length
      ? 'at its end'
      : `at position ${position + 1} ("${filter.slice(position, position + 20)}")`;
  return new UsageError(`The filter cannot be read: ${place} ${why}. The filter was: ${filter}`, {
    code: 'bad-filter',
    facts: { asked: filter, position: position + 1 },
  });
}
