import { bodyStart } from '../../domain/classify.ts';
import type { Drift } from '../../domain/drift.ts';
import { PermanentError, TransientError } from '../../domain/errors.ts';
import { sliceArrayElements } from '../../domain/json-text.ts';
import type { Entity, NormalisedRecord, RejectedRecord } from '../../domain/record.ts';
import { hasIntegerKey, isReject, isRow, normaliseRecord } from '../normalise.ts';
import { observeFields } from '../observe-fields.ts';
import type { SourceQuery } from '../source.ts';
import { parseFilter } from './filter.ts';
import { evaluate } from './filter-evaluate.ts';
import { selectedBy } from './page-url.ts';

/** A collection as it came, checked against the query's filter and order. */
export interface Answer {
  /** In the order they came; of rows with the same key only the last one's content. */
  readonly records: readonly NormalisedRecord[];
  readonly rejects: readonly RejectedRecord[];
  /** How many of the rejects came after the last record. */
  readonly trailingRejects: number;
  /** Rows in the response, taken or not. */
  readonly received: number;
  /** How many the source says match; null when it was not asked, or does not say. */
  readonly count: number | null;
  /** Whether the source says that there are more. */
  readonly hasNext: boolean;
  /** In what the rows differ from the metadata. */
  readonly drift: readonly Drift[];
}

interface ReadOptions {
  /** Rows after these are not looked at. */
  readonly most?: number;
  /** `newest`: by the timestamp, the latest first. */
  readonly order?: 'ascending' | 'descending' | 'newest';
}

/**
 * Reads the JSON of a collection. Throws a TransientError for anything but a collection, a PermanentError
 * (`filter-ignored`, `order-ignored`) when the rows show that the source did not do what was asked.
 */
export function readAnswer(query: SourceQuery, body: string, options: ReadOptions = {}): Answer {
  const { envelope, values, texts } = parseCollection(body);
  const most = options.most ?? values.length;
  const rows = values.slice(0, most);
  checkFilter(rows, query);
  const { records, rejects, trailingRejects } = normaliseRows(rows, texts, query.entity);
  if (options.order === 'newest') checkNewestFirst(records, query);
  else if (hasIntegerKey(query.entity)) checkOrder(records, options.order ?? 'ascending', query);
  return {
    records,
    rejects,
    trailingRejects,
    received: rows.length,
    count: readCount(envelope['odata.count']),
    hasNext: typeof envelope['odata.nextLink'] === 'string' && envelope['odata.nextLink'] !== '',
    drift: observeFields(rows, query, (name) => isField(name, query.entity)),
  };
}

/** Relations are written among the fields, and so are notes such as `odata.type` and `Stemme@odata.nextLink`. */
function isField(name: string, { relations }: Entity): boolean {
  return !/(?:^|@)odata\./.test(name) && !relations.includes(name);
}

interface Collection {
  readonly envelope: Record<string, unknown>;
  readonly values: readonly unknown[];
  /** The source text of each value. */
  readonly texts: readonly string[];
}

function parseCollection(body: string): Collection {
  const envelope = parseJson(body);
  const values = isRow(envelope) ? envelope['value'] : undefined;
  if (!isRow(envelope) || !Array.isArray(values)) throw notCollection(body);
  const texts = sliceArrayElements(body, 'value');
  if (texts?.length !== values.length) throw notCollection(body);
  return { envelope, values, texts };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new TransientError(`The answer is not JSON, or cut short: ${bodyStart(body) || '(empty)'}`, {
      code: 'not-json',
      facts: { bodyStart: bodyStart(body), length: body.length },
      cause: error,
    });
  }
}

function notCollection(body: string): TransientError {
  return new TransientError(`The answer is JSON, but not a collection with "value": ${bodyStart(body)}`, {
    code: 'not-a-collection',
    facts: { bodyStart: bodyStart(body) },
  });
}

function checkFilter(rows: readonly unknown[], query: SourceQuery): void {
  const { entity } = query;
  const asked = selectedBy(query);
  if (asked === null) return;
  const filter = parseFilter(asked);
  const stray = rows.find((row) => isRow(row) && evaluate(filter, row) === false);
  if (!isRow(stray)) return;
  const key = String(stray[entity.keyField]);
  throw new PermanentError(
    `The source ignored the filter "${asked}": it sent ${entity.name} ${key}, which does not match. ` +
      'Check the filter; this source answers with everything when it does not understand one.',
    { code: 'filter-ignored', facts: { filter: asked, key } },
  );
}

type Normalised = Pick<Answer, 'records' | 'rejects' | 'trailingRejects'>;

/** A row sent twice is one record. When its two versions differ, it changed while it was read: the last one is newer. */
function normaliseRows(rows: readonly unknown[], texts: readonly string[], entity: Entity): Normalised {
  const records = new Map<string, NormalisedRecord>();
  const rejects: RejectedRecord[] = [];
  let before = 0; // rejects that came before the last record
  for (const [index, row] of rows.entries()) {
    const normalised = normaliseRecord(texts[index] ?? '', row, entity);
    if (isReject(normalised)) {
      rejects.push(normalised);
    } else {
      records.set(normalised.key, normalised);
      before = rejects.length;
    }
  }
  return { records: [...records.values()], rejects, trailingRejects: rejects.length - before };
}

function checkNewestFirst(records: readonly NormalisedRecord[], { entity }: SourceQuery): void {
  let previous: string | null = null;
  for (const { key, timestamp } of records) {
    const isLater = timestamp !== null && previous !== null && timestamp > previous;
    if (isLater) throw orderIgnored(entity, key, entity.timestampField ?? '');
    previous = timestamp ?? previous;
  }
}

function checkOrder(records: readonly NormalisedRecord[], order: string, { entity }: SourceQuery): void {
  const sign = order === 'ascending' ? 1n : -1n;
  let previous: bigint | null = null;
  for (const { key } of records) {
    const rank = BigInt(key) * sign;
    if (previous !== null && rank < previous) throw orderIgnored(entity, key);
    previous = rank;
  }
}

export function orderIgnored(entity: Entity, key: string, field = entity.keyField): PermanentError {
  return new PermanentError(
    `The source ignored the order by ${field}: ${entity.name} ${key} is out of place. ` +
      'Its pages cannot be walked without losing records.',
    { code: 'order-ignored', facts: { entity: entity.name, key } },
  );
}

/** A string at this source, a number elsewhere. */
function readCount(value: unknown): number | null {
  const count = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : null;
}
