/** The types the twin knows; the real service uses the first five. */
export type EdmType =
  | 'Edm.Int32'
  | 'Edm.Int16'
  | 'Edm.String'
  | 'Edm.DateTime'
  | 'Edm.Boolean'
  | 'Edm.Int64'
  | 'Edm.Double';

export type Property = { readonly name: string; readonly type: EdmType; readonly nullable: boolean };

/** `foreignKey` is a column of the row itself when `isMany` is false, and of the target's rows when it is true. */
export type Navigation = {
  readonly name: string;
  readonly target: string;
  readonly isMany: boolean;
  readonly foreignKey: string;
};

export type EntitySchema = {
  readonly name: string;
  readonly key: string;
  readonly properties: readonly Property[];
  readonly navigation: readonly Navigation[];
};

export type Schema = ReadonlyMap<string, EntitySchema>;

const typeOfLetter: Readonly<Record<string, EdmType>> = {
  i: 'Edm.Int32',
  h: 'Edm.Int16',
  l: 'Edm.Int64',
  f: 'Edm.Double',
  s: 'Edm.String',
  d: 'Edm.DateTime',
  b: 'Edm.Boolean',
};

/**
 * Reads the compact notation of `oda-schema.ts`.
 * The first column is the key. Throws on an unknown type letter.
 */
export function parseEntitySchema(name: string, columns: string, navigation = ''): EntitySchema {
  const properties = columns.split(' ').map(parseProperty);
  const links = navigation === '' ? [] : navigation.split(' ').map(parseNavigation);
  return { name, key: properties[0]?.name ?? 'id', properties, navigation: links };
}

function parseProperty(text: string): Property {
  const [name = '', letter = ''] = text.split(':');
  const type = typeOfLetter[letter.charAt(0)];
  if (type === undefined) throw new Error(`Column "${text}": expected name:type with a type of i h l f s d b.`);
  return { name, type, nullable: letter.endsWith('?') };
}

function parseNavigation(text: string): Navigation {
  const [name = '', link = ''] = text.split('=');
  const isMany = link.endsWith('*');
  const [target, foreignKey] = link.replace('*', '').split('.');
  return {
    name,
    isMany,
    target: foreignKey === undefined ? name : (target ?? name),
    foreignKey: foreignKey ?? target ?? '',
  };
}

/** The property called `name`, or undefined. */
export function propertyOf(schema: EntitySchema, name: string): Property | undefined {
  return schema.properties.find((property) => property.name === name);
}

/** The navigation called `name`, or undefined. */
export function navigationOf(schema: EntitySchema, name: string): Navigation | undefined {
  return schema.navigation.find((navigation) => navigation.name === name);
}

/** A schema guessed from rows, for sets the real service does not have: the first row that has a value decides the type. */
export function inferSchema(
  name: string,
  rows: readonly Readonly<Record<string, unknown>>[],
  key = 'id',
): EntitySchema {
  const types = new Map<string, EdmType | undefined>([[key, undefined]]);
  for (const row of rows) {
    for (const [field, value] of Object.entries(row)) types.set(field, types.get(field) ?? typeOfValue(value));
  }
  const properties = [...types].map(([field, type]) => ({
    name: field,
    type: type ?? (field === key ? 'Edm.Int32' : 'Edm.String'),
    nullable: field !== key,
  }));
  return { name, key, properties, navigation: [] };
}

function typeOfValue(value: unknown): EdmType | undefined {
  if (typeof value === 'boolean') return 'Edm.Boolean';
  if (typeof value === 'bigint') return 'Edm.Int64';
  if (typeof value === 'number') return typeOfNumber(value);
  if (typeof value !== 'string') return undefined;
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/.test(value) ? 'Edm.DateTime' : 'Edm.String';
}

function typeOfNumber(value: number): EdmType {
  if (!Number.isInteger(value)) return 'Edm.Double';
  return Math.abs(value) < 2 ** 31 ? 'Edm.Int32' : 'Edm.Int64';
}
