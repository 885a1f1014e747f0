import { hash } from 'node:crypto';
import { type JsonSlice, sliceOne } from '../domain/json-bytes.ts';
import type { Entity, NormalisedRecord, RejectedRecord } from '../domain/record.ts';
import { readTimestamp } from '../domain/timestamp.ts';

/** Keys go into a b-tree index, which refuses entries of more than about 2,700 bytes. */
const MAX_KEY_LENGTH = 512;
const HASH_DIGITS = 32;

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

/** As `NormalisedRecord.hash` has it. */
export function hashOf(json: Buffer): string {
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

function nameOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return `the ${typeof value} ${JSON.stringify(value).slice(0, 60)}`;
}
