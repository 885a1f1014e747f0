/** One normalised row, ready to be staged. */
export interface NormalisedRecord {
  /** Unique within the dataset. Integers are written in decimal without leading zeros. */
  readonly key: string;
  /** The first 128 bits of the SHA-256 of `json`, as 32 hex digits: equal hash, equal record. */
  readonly hash: string;
  /** When the source says the row last changed, as the source wrote it (ISO 8601, no zone); null when it does not say. */
  readonly timestamp: string | null;
  /** The source's own JSON of the row, on one line. Lossless: numbers, escapes and field order are untouched. */
  readonly json: Buffer;
  /** True when PostgreSQL must be asked whether it can hold the record as jsonb (see json-bytes.ts). */
  readonly needsCheck: boolean;
}

/** A record that could not be taken, kept with its reason. */
export interface RejectedRecord {
  readonly key: string | null;
  /** Stable, kebab-case: one of `rejectReasons`, or a source's own. */
  readonly reason: string;
  /** What was wrong, for a person. */
  readonly detail: string;
  readonly text: string;
}

/** The reasons that Sheaf itself gives; docs/errors.md says what they mean. */
export const rejectReasons: readonly string[] = ['not-an-object', 'no-key', 'bad-key', 'not-storable', 'not-json'];

/**
 * What came of replaying a reject. `superseded`: what is known of that record is newer, and was left alone. `rejected`:
 * it still cannot be taken.
 */
export type ReplayOutcome = 'taken' | 'superseded' | 'rejected';

/** A column of an entity, from the source's metadata. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly isNullable: boolean;
}

export const fieldTypes = [
  'boolean',
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'double',
  'text',
  'timestamp',
  'timestamptz',
  'date',
  'uuid',
  'json',
] as const;

/** The types a typed view can give a field; a source maps its own types to them. */
export type FieldType = (typeof fieldTypes)[number];

/** One collection of a source, as its metadata describes it. */
export interface Entity {
  readonly name: string;
  /** The field whose value is the record's key. */
  readonly keyField: string;
  /** The field that says when a row last changed; null when the entity has none. */
  readonly timestampField: string | null;
  /** In the metadata's order: the order of columns in views and CSV files. */
  readonly fields: readonly Field[];
  /** Names that lead to other entities (not columns). */
  readonly relations: readonly string[];
}

/** Whether an entity's records may come without a timestamp, as its metadata has it. */
export function mayBeUntimed({ fields, timestampField }: Entity): boolean {
  return fields.some(({ name, isNullable }) => name === timestampField && isNullable);
}
