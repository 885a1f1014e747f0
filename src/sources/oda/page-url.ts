import { type Entity, mayBeUntimed } from '../../domain/record.ts';
import type { Expansion } from '../../domain/relations.ts';
import type { Span } from '../../domain/span.ts';
import type { TimeWindow } from '../../domain/time-window.ts';
import type { PagePosition, SourceQuery } from '../source.ts';

/** What a request adds to the query's own filter and fields. */
interface Ask {
  /** Only keys inside this span. */
  readonly within?: Span | undefined;
  /** `newest`: by the timestamp, the latest first; rows without one are left out. */
  readonly orderBy?: 'ascending' | 'descending' | 'newest';
  readonly skip?: number;
  /** Left out, the source decides how many rows a page has, and says with a next-link that there are more. */
  readonly top?: number;
  readonly hasCount?: boolean;
  /** Whether related records come along. Only pages have them: counts and keys are the same without. */
  readonly isExpanded?: boolean;
}

/** The path and query of the page of `position.span` that starts after its cursor. */
export function pagePath(query: SourceQuery, { strategy, span, cursor, pageSize }: PagePosition): string {
  if (strategy === 'keyset') {
    const within = { after: cursor, upto: span.upto };
    return requestPath(query, { within, orderBy: 'ascending', isExpanded: true });
  }
  // The last page asks only for what is left: what follows belongs to another slice, or is not wanted at all.
  const top = Math.min(pageSize, span.upto - cursor);
  return requestPath(query, { orderBy: 'ascending', skip: cursor, top, isExpanded: true });
}

/** Everything after the base URL. Names carry æ, ø and å, and are percent-encoded as UTF-8. */
export function requestPath(query: SourceQuery, ask: Ask): string {
  const { entity, selection } = query;
  const range = ask.within === undefined ? null : keyRange(entity, ask.within);
  const filter = combine([...conditions(query), range, ask.orderBy === 'newest' ? timedOnly(entity) : null]);
  const expand = ask.isExpanded === true ? (query.expand ?? []) : [];
  const options: [string, string | number | undefined | null][] = [
    ['$filter', filter],
    ['$expand', expandPaths(expand)],
    ['$select', selectedFields(entity, selection.select, expand)],
    ['$orderby', orderBy(entity, ask.orderBy)],
    ['$skip', ask.skip],
    ['$top', ask.top],
    ['$inlinecount', ask.hasCount === true ? 'allpages' : undefined],
  ];
  const parts = options.flatMap(([name, value]) => {
    return value === undefined || value === null ? [] : [`${name}=${encodeURIComponent(value)}`];
  });
  return `${encodeURIComponent(entity.name)}${parts.length === 0 ? '' : '?'}${parts.join('&')}`;
}

/** The filter that says which records a query selects: the request's own, and a step's window of time. */
export function selectedBy(query: SourceQuery): string | null {
  return combine(conditions(query));
}

function conditions({ entity, selection, window }: SourceQuery): readonly (string | null)[] {
  return [selection.filter, window ? timeRange(entity, window) : null];
}

/** The first of them is a person's and may hold an `or`; the others are whole in themselves. */
function combine([first = null, ...others]: readonly (string | null)[]): string | null {
  const rest = others.filter((part) => part !== null);
  if (first === null || rest.length === 0) return first ?? (rest.join(' and ') || null);
  return [`(${first})`, ...rest].join(' and ');
}

function timeRange({ timestampField: field }: Entity, { from, before, withUntimed }: TimeWindow): string {
  const end = before === null ? '' : ` and ${field} lt datetime'${before}'`;
  const range = `${field} ge datetime'${from}'${end}`;
  return withUntimed ? `(${field} eq null or (${range}))` : range;
}

/** Sources differ in where they sort rows without a timestamp. */
function timedOnly(entity: Entity): string | null {
  return mayBeUntimed(entity) ? `${entity.timestampField} ne null` : null;
}

function keyRange(entity: Entity, { after, upto }: Span): string {
  // A 64-bit literal needs its suffix in OData v3; a 32-bit one must not have it.
  const suffix = entity.fields.some(({ name, type }) => name === entity.keyField && type === 'bigint') ? 'L' : '';
  return `${entity.keyField} gt ${after}${suffix} and ${entity.keyField} le ${upto}${suffix}`;
}

function orderBy({ keyField, timestampField }: Entity, direction: Ask['orderBy']): string | undefined {
  if (direction === undefined) return undefined;
  if (direction === 'newest') return `${timestampField} desc`;
  return direction === 'ascending' ? keyField : `${keyField} desc`;
}

/** The deepest paths are enough: each brings along what it leads through. Null where there is none. */
export function expandPaths(expand: readonly Expansion[]): string | null {
  const paths = (expansions: readonly Expansion[], before: string): string[] =>
    expansions.flatMap(({ relation, expand: further }) =>
      further.length === 0 ? [`${before}${relation}`] : paths(further, `${before}${relation}/`),
    );
  return paths(expand, '').join(',') || null;
}

/**
 * Without the key there is no record, without the timestamp no incremental run: both always come along. A relation that
 * is followed must be named, too, or it is left out; named without a field, it comes whole.
 */
function selectedFields(
  { keyField, timestampField }: Entity,
  select: readonly string[] | null,
  expand: readonly Expansion[],
): string | null {
  if (select === null) return null;
  const always = timestampField === null ? [keyField] : [keyField, timestampField];
  return [...new Set([...always, ...select, ...expand.map(({ relation }) => relation)])].join(',');
}
