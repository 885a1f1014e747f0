import { hash } from 'node:crypto';
import { type JsonSlice, sliceOne } from '../domain/json-bytes.ts';
import type { Entity, NormalisedRecord, RejectedRecord } from '../domain/record.ts';

/** Keys go into a b-tree index, which refuses entries of more than about 2,700 bytes. */
const MAX_KEY_LENGTH = 512;
const HASH_DIGITS = 32;
const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?$/;

/** Shared by all sources: a row's own JSON, and the same parsed, become a record that can be staged, or a reject. */
export function normaliseRecord(
  { json, needsCheck }: JsonSlice,
  parsed: unknown,
  entity: Entity,
): NormalisedRecord | RejectedRecord {
  const reject = (why: Pick<RejectedRecord, 'reason' | 'detail'>) => ({ key: null, ...why, text: json.toString() });
  if (!isRow(parsed)) return reject({ reason: 'not-an-object', detail: `The row is ${nameOf(parsed)}, not an object` });
  const value = parsed[entity.keyField];
  if (value === undefined || value === null)
    return reject({ reason: 'no-key', detail: `${entity.keyField} is ${nameOf(value)}` });
  const key = keyOf(value, entity);
  if (key === null) return reject({ reason: 'bad-key', detail: `${entity.keyField} is ${nameOf(value)}: no key` });
  const timestamp = entity.timestampField === null ? null : readTimestamp(parsed[entity.timestampField]);
  return { key, hash: hashOf(json), timestamp, json, needsCheck };
}

/**
 * The same for one record's JSON text by itself, as it was kept earlier. Whitespace between its tokens goes, as it does
 * in a page, so that the record has the same hash. Text that is not JSON is a reject, too.
 */
export function normaliseText(text: string, entity: Entity): NormalisedRecord | RejectedRecord {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { key: null, reason: 'not-json', detail, text };
  }
  return normaliseRecord(sliceOne(text), parsed, entity);
}

export function isReject(row: NormalisedRecord | RejectedRecord): row is RejectedRecord {
  return 'reason' in row;
}

/** Whether a parsed JSON value is an object, as every row must be. */
export function isRow(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether the key of an entity is a whole number, so that ranges of it can be asked for. */
export function hasIntegerKey(entity: Entity): boolean {
  return /^(?:smallint|integer|bigint)$/.test(keyType(entity) ?? '');
}

function keyType(entity: Entity): string | undefined {
  return entity.fields.find((field) => field.name === entity.keyField)?.type;
}

function hashOf(json: Buffer): string {
  return hash('sha256', json, 'hex').slice(0, HASH_DIGITS);
}

/** The key as text, or null. A number beyond 2^53 has been rounded by the parser: another record may have the same. */
function keyOf(value: unknown, entity: Entity): string | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : null;
  if (typeof value !== 'string' || value === '' || value.length > MAX_KEY_LENGTH) return null;
  // PostgreSQL text holds neither.
  if (value.includes('\u0000') || !value.isWellFormed()) return null;
  if (!hasIntegerKey(entity)) return value;
  // OData v3 writes 64-bit integers as strings.
  return /^-?\d{1,19}$/.test(value) ? BigInt(value).toString() : null;
}

/**
 * The timestamp as the source wrote it, when it is one that PostgreSQL takes for a `timestamp` without asking: a real
 * date and time of the years 1 to 9999, without a zone. Null for all else.
 */
function readTimestamp(value: unknown): string | null {
  const match = typeof value === 'string' ? TIMESTAMP.exec(value) : null;
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const isTime = hour < 24 && minute < 60 && second < 60;
  const isDate = year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  return isTime && isDate ? match[0] : null;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function nameOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return `the ${typeof value} ${JSON.stringify(value).slice(0, 60)}`;
}
