/** A filter as a tree. */
export type FilterNode = Literal | Path | Call | Lambda | Unary | Binary;

export interface Literal {
  readonly kind: 'literal';
  readonly value: LiteralValue;
}

/** Undefined: of a type that is passed on to the source without being judged here (guid, binary, …). */
export type LiteralValue = string | number | boolean | null | Instant | undefined;

/** A date and time without a zone, as milliseconds since 1970 as if it were UTC. */
export interface Instant {
  readonly instantMs: number;
}

/** `titel`, or `Aktør/navn`: all but the last lead to other entities. */
export interface Path {
  readonly kind: 'path';
  readonly segments: readonly string[];
  readonly position: number;
}

export interface Call {
  readonly kind: 'call';
  readonly name: string;
  readonly operands: readonly FilterNode[];
}

/** `Stemme/any(s: s/typeid eq 1)`; `any()` has neither variable nor predicate. */
export interface Lambda {
  readonly kind: 'lambda';
  readonly path: Path;
  readonly variable: string | null;
  readonly predicate: FilterNode | null;
}

export interface Unary {
  readonly kind: 'unary';
  readonly operator: 'not' | 'minus';
  readonly operand: FilterNode;
}

export type Operator = 'or' | 'and' | 'eq' | 'ne' | 'gt' | 'ge' | 'lt' | 'le' | 'add' | 'sub' | 'mul' | 'div' | 'mod';

export interface Binary {
  readonly kind: 'binary';
  readonly operator: Operator;
  readonly left: FilterNode;
  readonly right: FilterNode;
}

const INSTANT = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?)?$/;

/** Reads a date and time without a zone, as in `datetime'…'` and in records; null when it is none that exists. */
export function parseInstant(text: string): Instant | null {
  const match = INSTANT.exec(text);
  if (match === null) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  if (!isReal || minute > 59 || second > 59) return null;
  return { instantMs: date.getTime() + Number(`0.${match[7] ?? '0'}`) * 1000 };
}
