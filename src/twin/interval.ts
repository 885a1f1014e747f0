import type { Comparison, Expression } from './filter-parser.ts';
import { compareValues } from './table.ts';

/** A cut in an ascending order: before the first row with this value, or after the last. */
export type Cut = { readonly value: unknown; readonly isAfter: boolean };

/**
 * A stretch of an ascending order outside of which a filter cannot hold; null means open.
 * `isExact`: inside of it the filter always holds, so that its rows need not be tested, only counted.
 */
export type Interval = { readonly from: Cut | null; readonly to: Cut | null; readonly isExact: boolean };

const everything: Interval = { from: null, to: null, isExact: false };

const mirrored: Readonly<Record<Comparison, Comparison>> = {
  eq: 'eq',
  ne: 'ne',
  gt: 'lt',
  ge: 'le',
  lt: 'gt',
  le: 'ge',
};

/** What a filter says about one field, so that a key range is found by two binary searches instead of a scan. */
export function intervalOf(filter: Expression, field: string): Interval {
  if (filter.kind === 'compare') return intervalOfComparison(filter, field);
  if (filter.kind !== 'logic') return everything;
  const left = intervalOf(filter.left, field);
  const right = intervalOf(filter.right, field);
  return filter.operator === 'and' ? intersection(left, right) : hull(left, right);
}

function intervalOfComparison(filter: Extract<Expression, { kind: 'compare' }>, field: string): Interval {
  if (isField(filter.left, field) && filter.right.kind === 'literal')
    return halfLine(filter.operator, filter.right.value);
  if (isField(filter.right, field) && filter.left.kind === 'literal') {
    return halfLine(mirrored[filter.operator], filter.left.value);
  }
  return everything;
}

function isField(expression: Expression, field: string): boolean {
  return expression.kind === 'path' && expression.segments.length === 1 && expression.segments[0] === field;
}

function halfLine(operator: Comparison, value: unknown): Interval {
  // Nulls stand first and are below nothing.
  const afterNulls: Cut = { value: null, isAfter: true };
  const before: Cut = { value, isAfter: false };
  const after: Cut = { value, isAfter: true };
  if (operator === 'eq') return { from: before, to: after, isExact: true };
  if (operator === 'ne') return everything;
  if (value === null) return { from: before, to: before, isExact: true };
  if (operator === 'gt') return { from: after, to: null, isExact: true };
  if (operator === 'ge') return { from: before, to: null, isExact: true };
  return { from: afterNulls, to: operator === 'lt' ? before : after, isExact: true };
}

function intersection(left: Interval, right: Interval): Interval {
  return {
    from: left.from === null || right.from === null ? (left.from ?? right.from) : later(left.from, right.from),
    to: left.to === null || right.to === null ? (left.to ?? right.to) : earlier(left.to, right.to),
    isExact: left.isExact && right.isExact,
  };
}

function hull(left: Interval, right: Interval): Interval {
  return {
    from: left.from === null || right.from === null ? null : earlier(left.from, right.from),
    to: left.to === null || right.to === null ? null : later(left.to, right.to),
    isExact: false,
  };
}

function earlier(left: Cut, right: Cut): Cut {
  return compareCuts(left, right) <= 0 ? left : right;
}

function later(left: Cut, right: Cut): Cut {
  return compareCuts(left, right) >= 0 ? left : right;
}

function compareCuts(left: Cut, right: Cut): number {
  return compareValues(left.value, right.value) || Number(left.isAfter) - Number(right.isAfter);
}
