import { PermanentError } from '../../domain/errors.ts';
import type { NormalisedRecord } from '../../domain/record.ts';
import type { Page, PagePosition, SourceQuery } from '../source.ts';
import { type Answer, readAnswer } from './read-answer.ts';

/** What the answer to `pagePath(query, position)` means. The next cursor is always beyond this one: no walk loops. */
export function readPage(query: SourceQuery, position: PagePosition, body: Buffer): Page {
  return position.strategy === 'keyset' ? readKeysetPage(query, position, body) : readOffsetPage(query, position, body);
}

function readKeysetPage(query: SourceQuery, position: PagePosition, body: Buffer): Page {
  const answer = readAnswer(query, body, { isExpanded: true });
  for (const record of answer.records) checkInside(record, position, query);
  const { records, rejects, trailingRejects, received, drift, nested } = answer;
  const next = nextKey(answer, position, query);
  // The next page starts behind the last record: rows after it that could not be read come again with that page.
  const own = next === null ? rejects : rejects.slice(0, rejects.length - trailingRejects);
  return { records, rejects: own, received, next, drift, ...(nested && { nested }) };
}

/**
 * Where the walk goes on. A next-link means that there is more. Its absence means little: a full page without one may
 * be the last, or the source may not send them; one request more will tell. A page that is not full is the last.
 */
function nextKey({ records, received, hasNext }: Answer, position: PagePosition, query: SourceQuery): number | null {
  const isFull = received > 0 && received >= position.pageSize;
  const last = records.at(-1);
  if (last !== undefined && Number(last.key) >= position.span.upto) return null;
  if (!hasNext && !isFull) return null;
  if (last !== undefined) return Number(last.key);
  if (received === 0) return null;
  throw new PermanentError(
    `None of the ${received} rows of ${query.entity.name} after key ${position.cursor} has a key that can be read, so ` +
      'the page after them cannot be asked for. Try --strategy offset.',
    { code: 'cannot-advance', facts: { entity: query.entity.name, cursor: position.cursor, received } },
  );
}

function checkInside({ key }: NormalisedRecord, { cursor, span }: PagePosition, { entity }: SourceQuery): void {
  const value = Number(key);
  if (value > cursor && value <= span.upto && Number.isSafeInteger(value)) return;
  throw new PermanentError(
    `The source ignored the range of ${entity.keyField}: asked for keys above ${cursor} up to ${span.upto}, it sent ` +
      `${entity.name} ${key}. Try --strategy offset.`,
    { code: 'filter-ignored', facts: { entity: entity.name, key, cursor, upto: span.upto } },
  );
}

/** Advances by the rows received, whatever was asked for: the source may cap its pages lower than it is thought to. */
function readOffsetPage(query: SourceQuery, { span, cursor }: PagePosition, body: Buffer): Page {
  const { records, rejects, received, drift, nested } = readAnswer(query, body, {
    most: span.upto - cursor,
    isExpanded: true,
  });
  const next = cursor + received;
  return {
    records,
    rejects,
    received,
    next: received === 0 || next >= span.upto ? null : next,
    drift,
    ...(nested && { nested }),
  };
}
