import type { Entity, Field } from './record.ts';
import type { Drift } from './report.ts';

export type { Drift } from './report.ts';

export const driftPolicies = ['accept', 'fail'] as const;
/** What drift means for a run: `accept` goes on and reports it, `fail` publishes nothing. */
export type DriftPolicy = (typeof driftPolicies)[number];

/** What the source's metadata says now, held against what it said when the dataset was last planned. */
export const metadataDriftKinds = ['new', 'gone', 'retyped', 'other-key'] as const;
/** What records hold, held against what the metadata says of them. */
export const recordDriftKinds = ['unknown-field', 'missing-field', 'other-type'] as const;
/** `view-kept`: the typed view has other columns than the metadata, because somebody has built on it. */
export const driftKinds = [...metadataDriftKinds, ...recordDriftKinds, 'view-kept'] as const;
export type DriftKind = (typeof driftKinds)[number];

/** Drift of each field is noted once a run, and of so many fields at most: a source may invent them without end. */
export const MOST_DRIFT = 200;

/** Pure: how the metadata of an entity differ from those that the dataset was planned by before. The order is no matter. */
export function compareFields(
  before: Pick<Entity, 'keyField' | 'fields'>,
  now: Pick<Entity, 'keyField' | 'fields'>,
): Drift[] {
  const known = new Map(before.fields.map((field) => [field.name, typeOf(field)]));
  const found = new Map(now.fields.map((field) => [field.name, typeOf(field)]));
  const other = (name: string) => found.has(name) && known.get(name) !== found.get(name);
  const of = (kind: DriftKind, names: readonly string[]): Drift[] =>
    names.map((name) => ({ kind, field: name, was: known.get(name) ?? null, is: found.get(name) ?? null, key: null }));
  const [was, is] = [before.keyField, now.keyField];
  return [
    ...of(
      'new',
      [...found.keys()].filter((name) => !known.has(name)),
    ),
    ...of(
      'gone',
      [...known.keys()].filter((name) => !found.has(name)),
    ),
    ...of('retyped', [...known.keys()].filter(other)),
    ...(was === is ? [] : [{ kind: 'other-key', field: is, was, is, key: null } as const]),
  ];
}

function typeOf({ type, isNullable }: Field): string {
  return isNullable ? `${type} or null` : type;
}

/** For a person. */
export function describeDrift({ kind, field, was, is, key }: Drift): string {
  switch (kind) {
    case 'new':
      return `${field} is new (${is})`;
    case 'gone':
      return `${field} is gone (it was ${was})`;
    case 'retyped':
      return `${field} is ${is} now (it was ${was})`;
    case 'other-key':
      return `the key is ${is} now (it was ${was})`;
    case 'unknown-field':
      return `record ${key} has a field ${field} (${is}) that the metadata do not know`;
    case 'missing-field':
      return `record ${key} has no field ${field} (${was})`;
    case 'other-type':
      return `${field} is ${is} in record ${key}, not ${was}`;
    case 'view-kept':
      return `the view ${field} is left as it was, because something depends on it; every field is in sheaf.records`;
  }
}
