import { BadQuery } from './bad-query.ts';
import { type Token, tokenise } from './filter-tokens.ts';

export type LiteralType = 'null' | 'number' | 'string' | 'boolean' | 'datetime';
export type Comparison = 'eq' | 'ne' | 'gt' | 'ge' | 'lt' | 'le';
export type Arithmetic = 'add' | 'sub' | 'mul' | 'div' | 'mod';

export type Expression =
  | { readonly kind: 'literal'; readonly type: LiteralType; readonly value: string | number | bigint | boolean | null }
  | { readonly kind: 'path'; readonly segments: readonly string[] }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'logic'; readonly operator: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'arithmetic';
      readonly operator: Arithmetic;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'call'; readonly name: string; readonly operands: readonly Expression[] }
  | Lambda;

/** `path/any(variable: body)`; without a variable it asks whether there is any row at all. */
export type Lambda = {
  readonly kind: 'lambda';
  readonly quantifier: 'any' | 'all';
  readonly path: readonly string[];
  readonly variable: string | null;
  readonly body: Expression | null;
};

type Cursor = { readonly tokens: readonly Token[]; at: number; nodes: number };

/** The framework's limit: a filter with more nodes answers 400. */
const mostNodes = 100;

const comparisons: ReadonlySet<string> = new Set(['eq', 'ne', 'gt', 'ge', 'lt', 'le']);

/** Parses the text of a `$filter`. Throws BadQuery on a syntax error and on more than 100 nodes. */
export function parseFilter(text: string): Expression {
  return parseWhole(text, parseOr);
}

/** Parses one term of `$orderby`, without its direction. Throws BadQuery on anything but a path. */
export function parsePath(text: string): Expression {
  return parseWhole(text, (cursor) => parseNamed(cursor, expectName(cursor)));
}

function parseWhole(text: string, parse: (cursor: Cursor) => Expression): Expression {
  const cursor: Cursor = { tokens: tokenise(text), at: 0, nodes: 0 };
  const expression = parse(cursor);
  if (peek(cursor).kind !== 'end') throw new BadQuery('syntax', `Unexpected "${peek(cursor).text}".`);
  return expression;
}

function parseOr(cursor: Cursor): Expression {
  let left = parseAnd(cursor);
  while (takeName(cursor, 'or')) left = node(cursor, { kind: 'logic', operator: 'or', left, right: parseAnd(cursor) });
  return left;
}

function parseAnd(cursor: Cursor): Expression {
  let left = parseComparison(cursor);
  while (takeName(cursor, 'and')) {
    left = node(cursor, { kind: 'logic', operator: 'and', left, right: parseComparison(cursor) });
  }
  return left;
}

function parseComparison(cursor: Cursor): Expression {
  const left = parseSum(cursor);
  const operator = peek(cursor);
  if (operator.kind !== 'name' || !comparisons.has(operator.text)) return left;
  cursor.at += 1;
  return node(cursor, { kind: 'compare', operator: operator.text as Comparison, left, right: parseSum(cursor) });
}

function parseSum(cursor: Cursor): Expression {
  return parseArithmetic(cursor, ['add', 'sub'], parseProduct);
}

function parseProduct(cursor: Cursor): Expression {
  return parseArithmetic(cursor, ['mul', 'div', 'mod'], parseUnary);
}

function parseArithmetic(
  cursor: Cursor,
  operators: readonly Arithmetic[],
  parseOperand: (cursor: Cursor) => Expression,
): Expression {
  let left = parseOperand(cursor);
  for (;;) {
    const operator = operators.find((name) => takeName(cursor, name));
    if (operator === undefined) return left;
    left = node(cursor, { kind: 'arithmetic', operator, left, right: parseOperand(cursor) });
  }
}

/** `not` binds tighter than a comparison, as the standard has it: `not id eq 1` is an error, `not (id eq 1)` is none. */
function parseUnary(cursor: Cursor): Expression {
  if (takeName(cursor, 'not')) return node(cursor, { kind: 'not', operand: parseUnary(cursor) });
  if (!takeSign(cursor, '(')) return parsePrimary(cursor);
  const inner = parseOr(cursor);
  expectSign(cursor, ')');
  return inner;
}

function parsePrimary(cursor: Cursor): Expression {
  const token = peek(cursor);
  cursor.at += 1;
  if (token.kind === 'number') return node(cursor, { kind: 'literal', type: 'number', value: numberOf(token.text) });
  if (token.kind === 'string') return node(cursor, { kind: 'literal', type: 'string', value: token.text });
  if (token.kind === 'datetime') return node(cursor, { kind: 'literal', type: 'datetime', value: dateOf(token.text) });
  if (token.kind !== 'name') throw new BadQuery('syntax', `Unexpected "${token.text}".`);
  if (token.text === 'null') return node(cursor, { kind: 'literal', type: 'null', value: null });
  if (token.text === 'true' || token.text === 'false') {
    return node(cursor, { kind: 'literal', type: 'boolean', value: token.text === 'true' });
  }
  if (takeSign(cursor, '(')) return node(cursor, { kind: 'call', name: token.text, operands: parseOperands(cursor) });
  return parseNamed(cursor, token.text);
}

function parseOperands(cursor: Cursor): Expression[] {
  const operands: Expression[] = [];
  if (takeSign(cursor, ')')) return operands;
  do operands.push(parseOr(cursor));
  while (takeSign(cursor, ','));
  expectSign(cursor, ')');
  return operands;
}

function parseNamed(cursor: Cursor, first: string): Expression {
  const segments = [first];
  while (takeSign(cursor, '/')) {
    const name = expectName(cursor);
    if ((name === 'any' || name === 'all') && takeSign(cursor, '(')) return parseLambda(cursor, name, segments);
    segments.push(name);
  }
  return node(cursor, { kind: 'path', segments });
}

function parseLambda(cursor: Cursor, quantifier: 'any' | 'all', path: readonly string[]): Expression {
  if (quantifier === 'any' && takeSign(cursor, ')')) {
    return node(cursor, { kind: 'lambda', quantifier, path, variable: null, body: null });
  }
  const variable = expectName(cursor);
  expectSign(cursor, ':');
  const body = parseOr(cursor);
  expectSign(cursor, ')');
  return node(cursor, { kind: 'lambda', quantifier, path, variable, body });
}

function node(cursor: Cursor, expression: Expression): Expression {
  cursor.nodes += 1;
  if (cursor.nodes > mostNodes) throw new BadQuery('too-many-nodes', `More than ${mostNodes} nodes.`);
  return expression;
}

function numberOf(text: string): number | bigint {
  const digits = text.replace(/[LlMmDdFf]$/, '');
  const value = Number(digits);
  return /^-?\d+$/.test(digits) && !Number.isSafeInteger(value) ? BigInt(digits) : value;
}

/** The form the rows have: seconds always there, zeros at the end of a fraction never, so that text compares like time. */
function dateOf(text: string): string {
  const parts = /^(?<day>\d{4}-\d\d-\d\d)(?:T(?<minute>\d\d:\d\d)(?::(?<second>\d\d)(?:\.(?<part>\d{1,7}))?)?)?$/.exec(
    text,
  )?.groups;
  if (parts === undefined || Number.isNaN(Date.parse(parts['day'] ?? ''))) {
    throw new BadQuery('syntax', `Not a datetime: ${text}`);
  }
  const fraction = (parts['part'] ?? '').replace(/0+$/, '');
  const whole = `${parts['day']}T${parts['minute'] ?? '00:00'}:${parts['second'] ?? '00'}`;
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

function peek(cursor: Cursor): Token {
  return cursor.tokens[cursor.at] ?? { kind: 'end', text: '' };
}

function takeName(cursor: Cursor, text: string): boolean {
  return take(cursor, 'name', text);
}

function takeSign(cursor: Cursor, text: string): boolean {
  return take(cursor, 'sign', text);
}

function take(cursor: Cursor, kind: Token['kind'], text: string): boolean {
  const token = peek(cursor);
  if (token.kind !== kind || token.text !== text) return false;
  cursor.at += 1;
  return true;
}

function expectName(cursor: Cursor): string {
  const token = peek(cursor);
  if (token.kind !== 'name') throw new BadQuery('syntax', `Expected a name, not "${token.text}".`);
  cursor.at += 1;
  return token.text;
}

function expectSign(cursor: Cursor, text: string): void {
  if (!takeSign(cursor, text)) throw new BadQuery('syntax', `Expected "${text}", not "${peek(cursor).text}".`);
}
