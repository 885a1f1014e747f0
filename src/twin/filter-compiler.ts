import { BadQuery } from './bad-query.ts';
import { functionNamed } from './filter-functions.ts';
import type { Arithmetic, Comparison, Expression, Lambda, LiteralType } from './filter-parser.ts';
import { type Destination, destinationOf } from './navigate.ts';
import { type EdmType, type EntitySchema, propertyOf } from './schema.ts';
import { columnOf, compareValues, type Table } from './table.ts';
import type { TwinData } from './twin-data.ts';

/** Row indexes in use: the row being tested first, then the row of each enclosing lambda. */
type Frames = number[];
type Evaluate = (frames: Frames) => unknown;
type Compiled = { readonly type: LiteralType; readonly evaluate: Evaluate };

/** A name in scope, and where its row's index stands among the frames; the row being tested has no name. */
type Scope = { readonly variable: string | null; readonly schema: EntitySchema; readonly table: Table | undefined };
type Context = { readonly data: TwinData; readonly scopes: readonly Scope[] };

/** Turns a filter over a table into a test of a row's index. Throws BadQuery on unknown fields and on values of unlike types. */
export function compileFilter(data: TwinData, table: Table, filter: Expression): (index: number) => boolean {
  const compiled = compile(rootContext(data, table), filter);
  if (compiled.type !== 'boolean') throw new BadQuery('type', 'A filter must be true or false.');
  const frames: Frames = [0];
  return (index) => {
    frames.length = 1;
    frames[0] = index;
    return compiled.evaluate(frames) === true;
  };
}

/** Turns a path over a table into a function from a row's index to the value. Throws BadQuery on unknown fields. */
export function compileValue(data: TwinData, table: Table, path: Expression): (index: number) => unknown {
  const compiled = compile(rootContext(data, table), path);
  return (index) => compiled.evaluate([index]);
}

function rootContext(data: TwinData, table: Table): Context {
  return { data, scopes: [{ variable: null, schema: table.schema, table }] };
}

function compile(context: Context, expression: Expression): Compiled {
  switch (expression.kind) {
    case 'literal':
      return { type: expression.type, evaluate: () => expression.value };
    case 'path':
      return compilePath(context, expression.segments);
    case 'not':
      return compileNot(compileBoolean(context, expression.operand));
    case 'logic':
      return compileLogic(context, expression);
    case 'compare':
      return compileComparison(context, expression);
    case 'arithmetic':
      return compileArithmetic(context, expression);
    case 'call':
      return compileCall(context, expression);
    case 'lambda':
      return compileLambda(context, expression);
  }
}

function compileBoolean(context: Context, expression: Expression): Evaluate {
  const compiled = compile(context, expression);
  if (compiled.type !== 'boolean') throw new BadQuery('type', 'Expected something true or false.');
  return compiled.evaluate;
}

function compileNot(operand: Evaluate): Compiled {
  return { type: 'boolean', evaluate: (frames) => operand(frames) !== true };
}

function compileLogic(context: Context, expression: Extract<Expression, { kind: 'logic' }>): Compiled {
  const left = compileBoolean(context, expression.left);
  const right = compileBoolean(context, expression.right);
  return expression.operator === 'and'
    ? { type: 'boolean', evaluate: (frames) => left(frames) === true && right(frames) === true }
    : { type: 'boolean', evaluate: (frames) => left(frames) === true || right(frames) === true };
}

function compileComparison(context: Context, expression: Extract<Expression, { kind: 'compare' }>): Compiled {
  const left = compile(context, expression.left);
  const right = compile(context, expression.right);
  if (left.type !== right.type && left.type !== 'null' && right.type !== 'null') {
    throw new BadQuery('type', `Cannot compare ${left.type} with ${right.type}.`);
  }
  const holds = comparisonOf(expression.operator);
  return { type: 'boolean', evaluate: (frames) => holds(left.evaluate(frames), right.evaluate(frames)) };
}

/** Null equals null only, and is neither above nor below anything. */
function comparisonOf(operator: Comparison): (left: unknown, right: unknown) => boolean {
  const both = (left: unknown, right: unknown): boolean => left !== null && right !== null;
  switch (operator) {
    case 'eq':
      return (left, right) => compareValues(left, right) === 0;
    case 'ne':
      return (left, right) => compareValues(left, right) !== 0;
    case 'gt':
      return (left, right) => both(left, right) && compareValues(left, right) > 0;
    case 'ge':
      return (left, right) => both(left, right) && compareValues(left, right) >= 0;
    case 'lt':
      return (left, right) => both(left, right) && compareValues(left, right) < 0;
    case 'le':
      return (left, right) => both(left, right) && compareValues(left, right) <= 0;
  }
}

function compileArithmetic(context: Context, expression: Extract<Expression, { kind: 'arithmetic' }>): Compiled {
  const left = compile(context, expression.left);
  const right = compile(context, expression.right);
  if (left.type !== 'number' || right.type !== 'number')
    throw new BadQuery('type', 'Only numbers can be reckoned with.');
  const evaluate: Evaluate = (frames) => {
    const values = [left.evaluate(frames), right.evaluate(frames)];
    return values.includes(null) ? null : reckon(expression.operator, Number(values[0]), Number(values[1]));
  };
  return { type: 'number', evaluate };
}

function reckon(operator: Arithmetic, left: number, right: number): number {
  if (operator === 'add') return left + right;
  if (operator === 'sub') return left - right;
  if (operator === 'mul') return left * right;
  return operator === 'div' ? Math.trunc(left / right) : left % right;
}

function compileCall(context: Context, expression: Extract<Expression, { kind: 'call' }>): Compiled {
  const definition = functionNamed(expression.name);
  const operands = expression.operands.map((operand) => compile(context, operand));
  const fits = operands.every((operand, index) => operand.type === 'null' || operand.type === definition.takes[index]);
  if (!fits || operands.length !== definition.takes.length) {
    throw new BadQuery('type', `${expression.name} takes ${definition.takes.join(', ')}.`);
  }
  const evaluate: Evaluate = (frames) => {
    const values = operands.map((operand) => operand.evaluate(frames));
    return values.includes(null) ? null : definition.apply(...(values as string[]));
  };
  return { type: definition.gives, evaluate };
}

function compilePath(context: Context, segments: readonly string[]): Compiled {
  const { depth, scope, rest } = scopeOf(context, segments);
  const steps = rest.slice(0, -1);
  const field = rest.at(-1) ?? '';
  let place: { schema: EntitySchema; table: Table | undefined } = scope;
  const destinations: Destination[] = [];
  for (const step of steps) {
    const destination = destinationOf(context.data, place, step);
    if (destination === undefined || destination.navigation.isMany) throw unknownField(place.schema, step);
    destinations.push(destination);
    place = destination;
  }
  const property = propertyOf(place.schema, field);
  if (property === undefined) throw unknownField(place.schema, field);
  const table = place.table;
  const values = table === undefined ? undefined : columnOf(table, field);
  const evaluate: Evaluate =
    destinations.length === 0
      ? (frames) => values?.[frames[depth] ?? -1] ?? null
      : (frames) => values?.[followAll(destinations, frames[depth] ?? -1)] ?? null;
  return { type: literalType(property.type), evaluate };
}

function followAll(destinations: readonly Destination[], start: number): number {
  let index = start;
  for (const destination of destinations) {
    if (index === -1) return -1;
    index = destination.rowsOf(index)[0] ?? -1;
  }
  return index;
}

function compileLambda(context: Context, expression: Lambda): Compiled {
  const { depth, scope, rest } = scopeOf(context, expression.path);
  const destination = rest.length === 1 ? destinationOf(context.data, scope, rest[0] ?? '') : undefined;
  if (destination === undefined || !destination.navigation.isMany) throw unknownField(scope.schema, rest.join('/'));
  const inner: Scope = { variable: expression.variable, schema: destination.schema, table: destination.table };
  const innerDepth = context.scopes.length;
  const body =
    expression.body === null
      ? () => true
      : compileBoolean({ data: context.data, scopes: [...context.scopes, inner] }, expression.body);
  const isTrue = (frames: Frames, index: number): boolean => {
    frames[innerDepth] = index;
    return body(frames) === true;
  };
  const evaluate: Evaluate = (frames) => {
    const rows = destination.rowsOf(frames[depth] ?? -1);
    return expression.quantifier === 'any'
      ? rows.some((index) => isTrue(frames, index))
      : rows.every((index) => isTrue(frames, index));
  };
  return { type: 'boolean', evaluate };
}

/** A path that starts with a lambda's variable belongs to that lambda's row, any other to the row being tested. */
function scopeOf(
  context: Context,
  segments: readonly string[],
): { depth: number; scope: Scope; rest: readonly string[] } {
  const depth = context.scopes.findLastIndex((scope) => scope.variable !== null && scope.variable === segments[0]);
  const root = context.scopes[0];
  const scope = depth === -1 ? root : context.scopes[depth];
  if (scope === undefined) throw new BadQuery('syntax', 'A path without a row.');
  return depth === -1 ? { depth: 0, scope, rest: segments } : { depth, scope, rest: segments.slice(1) };
}

function unknownField(schema: EntitySchema, name: string): BadQuery {
  return new BadQuery('unknown-field', `${schema.name} has no field "${name}".`);
}

function literalType(type: EdmType): LiteralType {
  if (type === 'Edm.String') return 'string';
  if (type === 'Edm.DateTime') return 'datetime';
  return type === 'Edm.Boolean' ? 'boolean' : 'number';
}
