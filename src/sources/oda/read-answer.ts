import type { Drift } from '../../domain/drift.ts';
import { PermanentError } from '../../domain/errors.ts';
import type { Entity, NormalisedRecord, RejectedRecord } from '../../domain/record.ts';
import { hashOf, hasIntegerKey, isReject, isRow, normaliseRecord } from '../normalise.ts';
import { expectedOrder, observeFields } from '../observe-fields.ts';
import { layoutOf, type RowLayout } from '../plain-row.ts';
import type { NestedRow, SourceQuery } from '../source.ts';
import { type ParsedRow, readCollection, type UnparsedRow } from './collection.ts';
import { parseFilter } from './filter.ts';
import { evaluate } from './filter-evaluate.ts';
import { isField, readNested } from './nested.ts';
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
  /** Null where no relations were followed. */
  readonly nested: readonly NestedRow[] | null;
}

interface ReadOptions {
  /** Whether the answer is to hold what the query expands. */
  readonly isExpanded?: boolean;
  /** Rows after these are not looked at. */
  readonly most?: number;
  /** `newest`: by the timestamp, the latest first. */
  readonly order?: 'ascending' | 'descending' | 'newest';
}

/**
 * Reads the JSON of a collection. Throws a TransientError for anything but a collection, a PermanentError
 * (`filter-ignored`, `order-ignored`) when the rows show that the source did not do what was asked.
 */
export function readAnswer(query: SourceQuery, body: Buffer, options: ReadOptions = {}): Answer {
  const { envelope, rows: all } = readCollection(body, layoutFor(query));
  const rows = all.slice(0, options.most ?? all.length);
  const parsed = rows.filter((row) => 'value' in row);
  const values = parsed.map(({ value }) => value);
  checkFilter(values, query);
  const parts = options.isExpanded && query.expand?.length ? readNested(parsed, query.entity, query.expand) : null;
  const nested = parts?.rows ?? null;
  const { records, rejects, trailingRejects } = normaliseRows(rows, nested, query.entity);
  if (options.order === 'newest') checkNewestFirst(records, query);
  else if (hasIntegerKey(query.entity)) checkOrder(records, options.order ?? 'ascending', query);
  return {
    records,
    rejects,
    trailingRejects,
    received: rows.length,
    count: readCount(envelope['odata.count']),
    hasNext: typeof envelope['odata.nextLink'] === 'string' && envelope['odata.nextLink'] !== '',
    drift: [...observeFields(values, query, (name) => isField(name, query.entity)), ...(parts?.drift ?? [])],
    nested,
  };
}

/** Null where rows have to be looked into: to hold them against a filter, or to take them apart. */
function layoutFor(query: SourceQuery): RowLayout | null {
  const isLookedInto = selectedBy(query) !== null || (query.expand?.length ?? 0) > 0;
  return isLookedInto ? null : layoutOf(expectedOrder(query), query.entity);
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
function normaliseRows(
  rows: readonly (ParsedRow | UnparsedRow)[],
  /** The same, taken apart, where something came nested in them. */
  nested: readonly NestedRow[] | null,
  entity: Entity,
): Normalised {
  const records = new Map<string, NormalisedRecord>();
  const rejects: RejectedRecord[] = [];
  let before = 0; // rejects that came before the last record
  for (const [index, row] of rows.entries()) {
    const normalised = nested?.[index]?.taken ?? normaliseRow(row, entity);
    if (isReject(normalised)) {
      rejects.push(normalised);
    } else {
      records.set(normalised.key, normalised);
      before = rejects.length;
    }
  }
  return { records: [...records.values()], rejects, trailingRejects: rejects.length - before };
}

function normaliseRow(row: ParsedRow | UnparsedRow, entity: Entity): NormalisedRecord | RejectedRecord {
  if ('value' in row) return normaliseRecord(row, row.value, entity);
  const { json, needsCheck } = row;
  const { key, timestamp } = row.plain;
  return { key, hash: hashOf(json), timestamp, json, needsCheck };
}

function checkNewestFirst(records: readonly NormalisedRecord[], { entity }: SourceQuery): void {
  let previous: string | null = null;
  for (const { key, timestamp } of records) {
    const isLater = timestamp !== null && previous !== null && timestamp > previous;
    if (isLater) throw orderIgnored(entity, key, entity.timestampField ?? '');
    previous = timestamp ?? previous;
  }
}

/** Numbers of so many digits are exact as doubles. */
const EXACT_DIGITS = 15;

function checkOrder(records: readonly NormalisedRecord[], order: string, { entity }: SourceQuery): void {
  let previous: number | bigint | null = null;
  for (const { key } of records) {
    const rank = key.length <= EXACT_DIGITS ? Number(key) : BigInt(key); // the one is cheap, and they compare
    const isMisplaced = previous !== null && (order === 'ascending' ? rank < previous : rank > previous);
    if (isMisplaced) throw orderIgnored(entity, key);
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
