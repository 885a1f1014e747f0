import type { Entity } from '../../domain/record.ts';
import type { Span } from '../../domain/span.ts';
import type { PagePosition, SourceQuery } from '../source.ts';

/** What a request adds to the query's own filter and fields. */
interface Ask {
  /** Only keys inside this span. */
  readonly within?: Span | undefined;
  readonly orderBy?: 'ascending' | 'descending';
  readonly skip?: number;
  /** Left out, the source decides how many rows a page has, and says with a next-link that there are more. */
  readonly top?: number;
  readonly hasCount?: boolean;
}

/** The path and query of the page of `position.span` that starts after its cursor. */
export function pagePath(query: SourceQuery, { strategy, span, cursor, pageSize }: PagePosition): string {
  if (strategy === 'keyset') {
    return requestPath(query, { within: { after: cursor, upto: span.upto }, orderBy: 'ascending' });
  }
  // The last page asks only for what is left: what follows belongs to another slice, or is not wanted at all.
  const top = Math.min(pageSize, span.upto - cursor);
  return requestPath(query, { orderBy: 'ascending', skip: cursor, top });
}

/** Everything after the base URL. Names carry æ, ø and å, and are percent-encoded as UTF-8. */
export function requestPath({ entity, selection }: SourceQuery, ask: Ask): string {
  const filter = combineFilter(selection.filter, ask.within === undefined ? null : keyRange(entity, ask.within));
  const options: [string, string | number | undefined | null][] = [
    ['$filter', filter],
    ['$select', selectedFields(entity, selection.select)],
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

function combineFilter(filter: string | null, range: string | null): string | null {
  if (filter === null || range === null) return filter ?? range;
  return `(${filter}) and ${range}`;
}

function keyRange(entity: Entity, { after, upto }: Span): string {
  // A 64-bit literal needs its suffix in OData v3; a 32-bit one must not have it.
  const suffix = entity.fields.some(({ name, type }) => name === entity.keyField && type === 'bigint') ? 'L' : '';
  return `${entity.keyField} gt ${after}${suffix} and ${entity.keyField} le ${upto}${suffix}`;
}

function orderBy({ keyField }: Entity, direction: Ask['orderBy']): string | undefined {
  if (direction === undefined) return undefined;
  return direction === 'ascending' ? keyField : `${keyField} desc`;
}

/** Without the key there is no record, without the timestamp no incremental run: both always come along. */
function selectedFields({ keyField, timestampField }: Entity, select: readonly string[] | null): string | null {
  if (select === null) return null;
  const always = timestampField === null ? [keyField] : [keyField, timestampField];
  return [...new Set([...always, ...select])].join(',');
}
