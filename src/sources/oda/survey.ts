import { PermanentError, UsageError } from '../../domain/errors.ts';
import type { Strategy } from '../../domain/harvest-request.ts';
import type { Span } from '../../domain/span.ts';
import { hasIntegerKey } from '../normalise.ts';
import type { CountRange, Extent, Page, SourceFetch, SourceQuery, Survey } from '../source.ts';
import { requestPath } from './page-url.ts';
import { type Answer, orderIgnored, readAnswer } from './read-answer.ts';

/**
 * The page size taken when everything came on one page, so that its size taught nothing: the smallest cap this source
 * is known to have had. Too small costs a request at the end of a slice; too large would lose what is behind a page.
 */
const SMALLEST_KNOWN_CAP = 20;

/** Three requests at most: the first page with the count, the highest key, and the key where `maxRecords` ends. */
export async function survey(fetch: SourceFetch, query: SourceQuery, strategy: Strategy | null): Promise<Survey> {
  const canRange = hasIntegerKey(query.entity);
  if (strategy === 'keyset' && !canRange) {
    const { name, keyField } = query.entity;
    throw new UsageError(
      `${name} cannot be walked by keyset: ${keyField} is not a whole number. Use --strategy offset.`,
      {
        code: 'no-keyset',
        facts: { entity: name },
      },
    );
  }
  const first = await firstPage(fetch, query);
  const isKeyset = strategy === null ? canRange : strategy === 'keyset';
  return isKeyset ? surveyKeys(fetch, query, first) : surveyPositions(query, first);
}

/** How many records the query selects, those inside `within` if given; null when the source does not say. */
export async function count(fetch: SourceFetch, query: SourceQuery, within?: CountRange): Promise<number | null> {
  const isKeyed = within !== undefined && within.strategy !== 'offset' && hasIntegerKey(query.entity);
  const path = requestPath(query, { within: isKeyed ? within : undefined, top: 1, hasCount: true });
  const { value } = await fetch(path, (body) => readAnswer(query, body, { most: 1 }).count);
  if (value === null || isKeyed) return value;
  if (within !== undefined) return Math.max(0, Math.min(value, within.upto) - within.after);
  return Math.min(value, query.selection.maxRecords ?? value);
}

/** Rows asked for where one would do: in one row alone no order can be seen. */
const ENOUGH_TO_SEE_ORDER = 20;

/** The latest timestamp, in one request. */
export async function latest(fetch: SourceFetch, query: SourceQuery): Promise<string | null> {
  if (query.entity.timestampField === null) return null;
  const path = requestPath(query, { orderBy: 'newest', top: ENOUGH_TO_SEE_ORDER });
  const { value } = await fetch(path, (body) => readAnswer(query, body, { order: 'newest' }));
  return value.records.find(({ timestamp }) => timestamp !== null)?.timestamp ?? null;
}

/** The count of everything and the last row, in one answer. */
export async function extent(fetch: SourceFetch, query: SourceQuery): Promise<Extent> {
  const path = requestPath(query, { orderBy: 'descending', top: 1, hasCount: true });
  const { value } = await fetch(path, (body) => readAnswer(query, body, { most: 1 }));
  const highest = hasIntegerKey(query.entity) ? keyAt(value, 0) : null;
  return { count: value.count, highest };
}

async function firstPage(fetch: SourceFetch, query: SourceQuery): Promise<Answer> {
  const path = requestPath(query, { orderBy: 'ascending', hasCount: true });
  return (await fetch(path, (body) => readAnswer(query, body))).value;
}

async function surveyKeys(fetch: SourceFetch, query: SourceQuery, first: Answer): Promise<Survey> {
  const lowest = keyAt(first, 0);
  const last = keyAt(first, -1);
  if (lowest === null || last === null) return surveyNothing(query, first);
  const whole = wholeOf(query, first);
  if (whole !== null) return surveyWhole({ after: lowest - 1, upto: last }, first, whole);
  const highest = await askHighest(fetch, query, { lowest, last, hasNext: first.hasNext });
  const isWhole = !first.hasNext && highest === last;
  const pageSize = isWhole ? Math.max(first.received, SMALLEST_KNOWN_CAP) : first.received;
  const all: Survey = {
    strategy: 'keyset',
    span: { after: lowest - 1, upto: highest },
    expected: first.count,
    pageSize,
    whole: null,
  };
  const { maxRecords } = query.selection;
  const isEnough =
    (isWhole && maxRecords !== null && maxRecords >= first.received) || (maxRecords ?? 0) >= (first.count ?? Infinity);
  if (maxRecords === null || isEnough) return all;
  const limit = await askKeyOf(fetch, query, maxRecords);
  return limit === null ? all : { ...all, span: { after: lowest - 1, upto: limit }, expected: maxRecords };
}

/**
 * The page that holds all there is. Only of a query with a window: a sweep decides what is deleted, and asks once more
 * after it has read.
 */
function wholeOf(
  { window, selection }: SourceQuery,
  { records, rejects, received, drift, ...first }: Answer,
): Page | null {
  if (!window || selection.maxRecords !== null || first.hasNext) return null;
  const isAll = first.count === received && received === records.length + rejects.length;
  return isAll ? { records, rejects, received, next: null, drift } : null;
}

function surveyWhole(span: Span, { received, count: expected }: Answer, whole: Page): Survey {
  return { strategy: 'keyset', span, expected, pageSize: Math.max(received, SMALLEST_KNOWN_CAP), whole };
}

function surveyNothing(query: SourceQuery, first: Answer): Survey {
  const { entity } = query;
  const { received, count: expected } = first;
  const whole = wholeOf(query, first);
  if (received === 0)
    return { strategy: 'keyset', span: { after: 0, upto: 0 }, expected, pageSize: SMALLEST_KNOWN_CAP, whole };
  throw new PermanentError(
    `None of the first ${received} rows of ${entity.name} has a key that can be read. Try --strategy offset.`,
    { code: 'cannot-advance', facts: { entity: entity.name, received } },
  );
}

interface FirstKeys {
  readonly lowest: number;
  readonly last: number;
  readonly hasNext: boolean;
}

async function askHighest(fetch: SourceFetch, query: SourceQuery, first: FirstKeys): Promise<number> {
  const path = requestPath(query, { orderBy: 'descending', top: 1 });
  const { value } = await fetch(path, (body) => readAnswer(query, body, { most: 1 }));
  const highest = keyAt(value, 0);
  // The rows of the first page may have been deleted since; they bound the span all the same.
  if (highest === null) return first.last;
  const isOutOfOrder = first.hasNext ? highest <= first.last : highest < first.last && highest === first.lowest;
  if (isOutOfOrder) throw orderIgnored(query.entity, String(highest));
  return Math.max(highest, first.last);
}

/** The key of the n-th record, or null when there are fewer. */
async function askKeyOf(fetch: SourceFetch, query: SourceQuery, n: number): Promise<number | null> {
  const path = requestPath(query, { orderBy: 'ascending', skip: n - 1, top: 1 });
  const { value } = await fetch(path, (body) => readAnswer(query, body, { most: 1 }));
  return keyAt(value, 0);
}

function surveyPositions(query: SourceQuery, first: Answer): Survey {
  const { entity, selection } = query;
  if (first.count === null) {
    throw new PermanentError(
      `${entity.name} cannot be walked by offset: the source does not say how many records there are.`,
      { code: 'no-count', facts: { entity: entity.name } },
    );
  }
  const expected = Math.min(first.count, selection.maxRecords ?? first.count);
  const isWhole = !first.hasNext && first.count <= first.received;
  const pageSize = isWhole ? Math.max(first.received, SMALLEST_KNOWN_CAP) : Math.max(first.received, 1);
  return { strategy: 'offset', span: { after: 0, upto: expected }, expected, pageSize, whole: wholeOf(query, first) };
}

/** The key at a place of a page, as a number; null when the page has no record. */
function keyAt({ records }: Answer, index: number): number | null {
  const key = records.at(index)?.key;
  return key === undefined ? null : Number(key);
}
