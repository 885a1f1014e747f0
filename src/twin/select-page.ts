import { BadQuery } from './bad-query.ts';
import type { Behaviour } from './behaviour.ts';
import { compileFilter, compileValue } from './filter-compiler.ts';
import type { Expression } from './filter-parser.ts';
import { type Interval, intervalOf } from './interval.ts';
import type { OrderTerm, Query } from './query-options.ts';
import { mixSeed, seededRandom } from './seeded.ts';
import { columnOf, compareValues, lowerBound, orderingOf, type Table } from './table.ts';
import type { TwinData } from './twin-data.ts';

/** The rows of one page: their indexes in order, the number of all that match (when asked for), and whether more follow. */
export type Page = { readonly indexes: readonly number[]; readonly total: number | null; readonly hasMore: boolean };

/** Where to select from; `subset`, ascending, restricts it to the rows of a navigation. */
export type Selection = {
  readonly data: TwinData;
  readonly table: Table;
  readonly query: Query;
  readonly behaviour: Behaviour;
  readonly subset?: readonly number[];
  /** The page stands as if so many rows had come before it, or gone when negative. */
  readonly shiftedBy?: number;
};

/** Rows in an order: the index of the row at each position, and the ascending field that leads, if one does. */
type Ordering = {
  readonly length: number;
  readonly at: (position: number) => number;
  readonly leading: Leading | null;
};
type Leading = { readonly field: string; readonly isDescending: boolean };
type Stretch = { readonly from: number; readonly to: number; readonly test: ((index: number) => boolean) | null };

/** Finds the rows a query asks for. Throws BadQuery; a filter that is not to be applied throws nothing. */
export function selectPage(selection: Selection): Page {
  const { query, behaviour, shiftedBy = 0 } = selection;
  const limit = Math.min(query.top ?? behaviour.cap, behaviour.cap);
  const ordering = orderRows(selection);
  const stretch = stretchOf(selection, ordering, effectiveFilter(selection));
  // What a shift moves over the beginning of the stretch stands in front of it, whatever the filter says.
  const before = Math.max(0, Math.min(shiftedBy - query.skip, stretch.from, limit));
  const inFront = Array.from({ length: before }, (_nothing, index) => ordering.at(stretch.from - before + index));
  const page = pageOf(ordering, stretch, {
    skip: Math.max(0, query.skip - shiftedBy),
    limit: limit - before,
    isCounted: query.wantsCount,
  });
  return before === 0 ? page : { ...page, indexes: [...inFront, ...page.indexes] };
}

type Window = { readonly skip: number; readonly limit: number; readonly isCounted: boolean };

function pageOf(ordering: Ordering, stretch: Stretch, window: Window): Page {
  if (stretch.test === null) return plainPage(ordering, stretch, window);
  return testedPage(ordering, { ...stretch, test: stretch.test }, window);
}

/** Checks a filter as if it were applied. Throws BadQuery. */
function effectiveFilter({ data, table, query, behaviour }: Selection): Expression | null {
  if (query.filter === null || behaviour.filter === 'ignore') return null;
  try {
    compileFilter(data, table, query.filter);
    return query.filter;
  } catch (error) {
    const isForgiven =
      error instanceof BadQuery && error.reason === 'unknown-field' && behaviour.invalidFilter === 'ignore';
    if (isForgiven) return null;
    throw error;
  }
}

function orderRows(selection: Selection): Ordering {
  const { table, query, behaviour, subset } = selection;
  if (behaviour.orderBy === 'shuffle') return arrayOrdering(shuffle(table, behaviour.seed, subset), null);
  // Terms behind the key change nothing, but have to exist.
  for (const term of query.orderBy) compileValue(selection.data, table, term.path);
  const first = query.orderBy[0];
  const isByKey = first === undefined || first.text === table.schema.key;
  const leading = { field: isByKey ? table.schema.key : first.text, isDescending: first?.isDescending ?? false };
  if (isByKey && subset === undefined) return keyOrdering(table, leading);
  return arrayOrdering(sortRows(selection), leading);
}

/** The table's own order, either way. */
function keyOrdering(table: Table, leading: Leading): Ordering {
  const length = table.keys.length;
  return { length, leading, at: leading.isDescending ? (position) => length - 1 - position : (position) => position };
}

function arrayOrdering(indexes: ArrayLike<number>, leading: Leading | null): Ordering {
  return { length: indexes.length, leading, at: (position) => indexes[position] ?? -1 };
}

function sortRows({ data, table, query, subset }: Selection): Uint32Array {
  const terms = query.orderBy.map((term) => ({
    valueOf: valueReader(data, table, term),
    sign: term.isDescending ? -1 : 1,
  }));
  const compare = (left: number, right: number): number => {
    for (const term of terms) {
      const order = compareValues(term.valueOf(left), term.valueOf(right));
      if (order !== 0) return order * term.sign;
    }
    return left - right;
  };
  if (subset !== undefined) return Uint32Array.from(subset).sort(compare);
  const name = query.orderBy.map((term) => `${term.text} ${term.isDescending}`).join();
  return orderingOf(table, name, () => allIndexes(table).sort(compare));
}

function valueReader(data: TwinData, table: Table, term: OrderTerm): (index: number) => unknown {
  const read = compileValue(data, table, term.path);
  if (term.path.kind !== 'path' || term.path.segments.length > 1) return read;
  const values = columnOf(table, term.text);
  return (index) => values[index];
}

function allIndexes(table: Table): Uint32Array {
  return new Uint32Array(table.keys.length).map((_zero, index) => index);
}

function shuffle(table: Table, seed: number, subset: readonly number[] | undefined): ArrayLike<number> {
  const order = orderingOf(table, `shuffle ${seed}`, () => {
    const random = seededRandom(mixSeed(seed, 'shuffle', table.schema.name));
    const indexes = allIndexes(table);
    for (let at = indexes.length - 1; at > 0; at -= 1) {
      const other = Math.floor(random() * (at + 1));
      const moved = indexes[at] ?? 0;
      indexes[at] = indexes[other] ?? 0;
      indexes[other] = moved;
    }
    return indexes;
  });
  if (subset === undefined) return order;
  const wanted = new Set(subset);
  return order.filter((index) => wanted.has(index));
}

/** The positions where the filter can hold, and the test they still need: none where the positions say it all. */
function stretchOf({ data, table }: Selection, ordering: Ordering, filter: Expression | null): Stretch {
  const whole = { from: 0, to: ordering.length, test: null };
  if (filter === null) return whole;
  const test = compileFilter(data, table, filter);
  // A path of several names is led by another table's field.
  if (ordering.leading === null || ordering.leading.field.includes('/')) return { ...whole, test };
  const interval = intervalOf(filter, ordering.leading.field);
  return {
    ...positionsOf(table, { ...ordering, leading: ordering.leading }, interval),
    test: interval.isExact ? null : test,
  };
}

function positionsOf(
  table: Table,
  ordering: Ordering & { leading: Leading },
  interval: Interval,
): { from: number; to: number } {
  const { length, at, leading } = ordering;
  const values = columnOf(table, leading.field);
  const valueAt = (position: number): unknown => values[at(leading.isDescending ? length - 1 - position : position)];
  const from = interval.from === null ? 0 : lowerBound(length, valueAt, interval.from);
  const to = Math.max(from, interval.to === null ? length : lowerBound(length, valueAt, interval.to));
  return leading.isDescending ? { from: length - to, to: length - from } : { from, to };
}

function plainPage(ordering: Ordering, stretch: Stretch, window: Window): Page {
  const start = Math.min(stretch.to, stretch.from + window.skip);
  const end = Math.min(stretch.to, start + window.limit);
  const indexes: number[] = [];
  for (let position = start; position < end; position += 1) indexes.push(ordering.at(position));
  return { indexes, total: stretch.to - stretch.from, hasMore: end < stretch.to };
}

function testedPage(ordering: Ordering, stretch: Stretch & { test: (index: number) => boolean }, window: Window): Page {
  const indexes: number[] = [];
  const end = window.skip + window.limit;
  let matches = 0;
  for (let position = stretch.from; position < stretch.to; position += 1) {
    const index = ordering.at(position);
    if (!stretch.test(index)) continue;
    if (matches >= window.skip && matches < end) indexes.push(index);
    matches += 1;
    if (matches > end && !window.isCounted) break;
  }
  return { indexes, total: window.isCounted ? matches : null, hasMore: matches > end };
}
