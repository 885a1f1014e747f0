import { UsageError } from '../../domain/errors.ts';
import { didYouMean, listNames, nearest } from '../../domain/nearest.ts';
import type { Entity } from '../../domain/record.ts';
import { filterFunctions } from './filter-functions.ts';
import { type FilterNode, type Literal, type Operator, type Path, parseInstant } from './filter-syntax.ts';
import { syntaxError, type Token, tokenise } from './filter-tokens.ts';

/** From the loosest to the tightest, as in the OData v3 grammar. `not` and the sign bind tighter than all of them. */
const PRECEDENCE: readonly (readonly Operator[])[] = [
  ['or'],
  ['and'],
  ['eq', 'ne'],
  ['gt', 'ge', 'lt', 'le'],
  ['add', 'sub'],
  ['mul', 'div', 'mod'],
];

/** Servers stop at about 100 nodes; this keeps a hostile filter from exhausting the stack before that. */
const MAX_DEPTH = 100;

interface Cursor {
  readonly filter: string;
  readonly tokens: readonly Token[];
  at: number;
  depth: number;
}

/** Reads an OData v3 filter. Throws a UsageError with the position for a syntax error or an unknown function. */
export function parseFilter(filter: string): FilterNode {
  const cursor: Cursor = { filter, tokens: tokenise(filter), at: 0, depth: 0 };
  const node = parseOperators(cursor, 0);
  if (peek(cursor).kind !== 'end') throw unexpected(cursor, '"and", "or" or the end');
  return node;
}

/**
 * Checks that every name in a filter exists on the entity. Throws a UsageError naming what was asked, what exists and
 * the nearest: this source is said to ignore filters over unknown fields, and to answer with everything.
 */
export function checkFilterNames(node: FilterNode, entity: Entity, filter: string): void {
  checkNames(node, { entity, filter, variables: [] });
}

interface Scope {
  readonly entity: Entity;
  readonly filter: string;
  /** The variables of the `any` and `all` around: they stand for other entities, whose fields are not known here. */
  readonly variables: readonly string[];
}

function checkNames(node: FilterNode, scope: Scope): void {
  if (node.kind === 'path') checkPath(node, scope, node.segments.length > 1);
  if (node.kind === 'lambda') checkPath(node.path, scope, true);
  const variable = node.kind === 'lambda' ? node.variable : null;
  const inner = variable === null ? scope : { ...scope, variables: [...scope.variables, variable] };
  for (const child of childrenOf(node)) checkNames(child, inner);
}

function childrenOf(node: FilterNode): readonly FilterNode[] {
  switch (node.kind) {
    case 'call':
      return node.operands;
    case 'unary':
      return [node.operand];
    case 'binary':
      return [node.left, node.right];
    case 'lambda':
      return node.predicate === null ? [] : [node.predicate];
    default:
      return [];
  }
}

function checkPath({ segments, position }: Path, { entity, filter, variables }: Scope, isNavigation: boolean): void {
  const [first = ''] = segments;
  const fields = entity.fields.map((field) => field.name);
  // A relation may stand alone too: `Aktør eq null`.
  if (variables.includes(first) || entity.relations.includes(first) || (!isNavigation && fields.includes(first)))
    return;
  if (fields.includes(first)) throw syntaxError(filter, position, `goes on behind ${first}, which is a field`);
  const known = isNavigation ? entity.relations : fields;
  const what = isNavigation ? 'relation' : 'field';
  throw new UsageError(
    `The filter names ${what} "${first}", which ${entity.name} does not have.${didYouMean(first, known)} ` +
      `It has: ${listNames(known, 40)}.`,
    { code: `unknown-${what}`, facts: { asked: first, entity: entity.name, nearest: nearest(first, known) } },
  );
}

function parseOperators(cursor: Cursor, level: number): FilterNode {
  const operators = PRECEDENCE[level];
  if (operators === undefined) return parseUnary(cursor);
  let left = parseOperators(cursor, level + 1);
  for (let operator = operatorOf(peek(cursor), operators); operator; operator = operatorOf(peek(cursor), operators)) {
    cursor.at++;
    left = { kind: 'binary', operator, left, right: parseOperators(cursor, level + 1) };
  }
  return left;
}

function operatorOf(token: Token, operators: readonly Operator[]): Operator | undefined {
  return token.kind === 'name' ? operators.find((operator) => operator === token.text) : undefined;
}

function parseUnary(cursor: Cursor): FilterNode {
  if (cursor.depth >= MAX_DEPTH) throw syntaxError(cursor.filter, peek(cursor).position, 'is nested too deeply');
  cursor.depth++;
  const node = takeUnary(cursor);
  cursor.depth--;
  return node;
}

function takeUnary(cursor: Cursor): FilterNode {
  const token = peek(cursor);
  if (token.kind === 'name' && token.text === 'not') {
    cursor.at++;
    return { kind: 'unary', operator: 'not', operand: parseUnary(cursor) };
  }
  if (takeSymbol(cursor, '-')) return { kind: 'unary', operator: 'minus', operand: parseUnary(cursor) };
  if (takeSymbol(cursor, '(')) {
    const inner = parseOperators(cursor, 0);
    expectSymbol(cursor, ')');
    return inner;
  }
  return token.kind === 'name' ? parseName(cursor) : parseLiteral(cursor);
}

function parseLiteral(cursor: Cursor): Literal {
  const token = peek(cursor);
  if (token.kind === 'string') return literal(cursor, token.text);
  if (token.kind === 'number') return literal(cursor, numberOf(token.text));
  if (token.kind !== 'typed') throw unexpected(cursor, 'a field, a value or "("');
  if (token.type !== 'datetime') return literal(cursor, undefined);
  const instant = parseInstant(token.text);
  if (instant === null) {
    const why = "is not a date and time; write it as datetime'2025-01-31T00:00:00'";
    throw syntaxError(cursor.filter, token.position, why);
  }
  return literal(cursor, instant);
}

function literal(cursor: Cursor, value: Literal['value']): Literal {
  cursor.at++;
  return { kind: 'literal', value };
}

/** A number that a double cannot hold exactly is left to the source to judge. */
function numberOf(text: string): number | undefined {
  const value = Number(text.replace(/[LMDF]$/i, ''));
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : value;
}

function parseName(cursor: Cursor): FilterNode {
  const { text, position } = peek(cursor);
  cursor.at++;
  if (takeSymbol(cursor, '(')) return parseCall(cursor, text, position);
  if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true' };
  if (text === 'null') return { kind: 'literal', value: null };
  return parsePath(cursor, [text], position);
}

function parsePath(cursor: Cursor, start: readonly string[], position: number): FilterNode {
  const segments = [...start];
  while (takeSymbol(cursor, '/')) {
    const { kind, text } = peek(cursor);
    if (kind !== 'name') throw unexpected(cursor, 'a name');
    cursor.at++;
    const isLambda = (text === 'any' || text === 'all') && takeSymbol(cursor, '(');
    if (isLambda) return parseLambda(cursor, { kind: 'path', segments, position });
    segments.push(text);
  }
  return { kind: 'path', segments: segments.map((segment) => segment.normalize('NFC')), position };
}

function parseLambda(cursor: Cursor, path: Path): FilterNode {
  if (takeSymbol(cursor, ')')) return { kind: 'lambda', path, variable: null, predicate: null };
  const { kind, text: variable } = peek(cursor);
  if (kind !== 'name') throw unexpected(cursor, 'a variable or ")"');
  cursor.at++;
  expectSymbol(cursor, ':');
  const predicate = parseOperators(cursor, 0);
  expectSymbol(cursor, ')');
  return { kind: 'lambda', path, variable, predicate };
}

function parseCall(cursor: Cursor, name: string, position: number): FilterNode {
  const arity = filterFunctions.get(name);
  if (arity === undefined) throw unknownFunction(name);
  const operands: FilterNode[] = [];
  if (!takeSymbol(cursor, ')')) {
    do operands.push(parseOperators(cursor, 0));
    while (takeSymbol(cursor, ','));
    expectSymbol(cursor, ')');
  }
  const [least, most] = arity;
  if (operands.length < least || operands.length > most) {
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    throw syntaxError(cursor.filter, position, `gives ${name} ${operands.length} arguments; it takes ${expected}`);
  }
  return { kind: 'call', name, operands };
}

function unknownFunction(name: string): UsageError {
  const names = [...filterFunctions.keys()];
  const hint = name === 'contains' ? " OData v3 says substringof('part', field)." : didYouMean(name, names);
  return new UsageError(
    `The filter uses ${name}(), which OData v3 does not have.${hint} It has: ${listNames(names, 40)}.`,
    {
      code: 'unknown-function',
      facts: { asked: name, nearest: nearest(name, names) },
    },
  );
}

function peek({ tokens, at, filter }: Cursor): Token {
  return tokens[at] ?? { kind: 'end', text: '', position: filter.length };
}

function takeSymbol(cursor: Cursor, symbol: string): boolean {
  const token = peek(cursor);
  const isThere = token.kind === 'symbol' && token.text === symbol;
  if (isThere) cursor.at++;
  return isThere;
}

function expectSymbol(cursor: Cursor, symbol: string): void {
  if (!takeSymbol(cursor, symbol)) throw unexpected(cursor, `"${symbol}"`);
}

function unexpected(cursor: Cursor, expected: string): UsageError {
  return syntaxError(cursor.filter, peek(cursor).position, `expects ${expected}`);
}
