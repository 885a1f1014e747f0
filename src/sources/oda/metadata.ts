import { createRequire } from 'node:module';
import { TransientError } from '../../domain/errors.ts';
import type { Entity, Field, FieldType } from '../../domain/record.ts';

/** As CommonJS, where it is one file: as ES modules it is 37, which take 30 ms more to load. */
const { XMLParser } = createRequire(import.meta.url)('fast-xml-parser') as typeof import('fast-xml-parser');

/** The field that says when a row last changed, in every set of this API that has one. */
const TIMESTAMP_FIELD = 'opdateringsdato';

const FIELD_TYPES: ReadonlyMap<string, FieldType> = new Map([
  ['Edm.Boolean', 'boolean'],
  ['Edm.Byte', 'smallint'],
  ['Edm.SByte', 'smallint'],
  ['Edm.Int16', 'smallint'],
  ['Edm.Int32', 'integer'],
  ['Edm.Int64', 'bigint'],
  ['Edm.Decimal', 'numeric'],
  ['Edm.Single', 'double'],
  ['Edm.Double', 'double'],
  ['Edm.String', 'text'],
  ['Edm.Time', 'text'],
  ['Edm.Binary', 'text'],
  ['Edm.DateTime', 'timestamp'],
  ['Edm.DateTimeOffset', 'timestamptz'],
  ['Edm.Guid', 'uuid'],
]);

/** An element as the parser gives it: attributes as strings with `@` before their names, children as arrays. */
export interface Element {
  readonly [name: string]: unknown;
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  // One child or many: always an array, so that nobody has to tell them apart.
  isArray: (_name, _path, _isLeaf, isAttribute) => !isAttribute,
});

/**
 * The entities of an OData service, from the EDMX document behind `$metadata`: one for each entity set, in the
 * document's order. Sets whose key is not exactly one field are left out: a record needs one key.
 *
 * Throws a TransientError for a text that is not EDMX; a proxy in trouble answers with a page of its own.
 */
export function parseMetadata(xml: string): Entity[] {
  const schemas = readSchemas(xml);
  const types = namedElements(schemas, 'EntityType');
  const entities = inContainers(schemas, 'EntitySet')
    .map((set) => readEntity(set, types))
    .filter((entity) => entity !== null);
  if (entities.length === 0) throw notEdmx(xml, 'it has no entity set with a key');
  return entities;
}

/** What the schemas define of one kind, by its full name. */
export function namedElements(schemas: readonly Element[], kind: string): ReadonlyMap<string, Element> {
  const found = new Map<string, Element>();
  for (const schema of schemas)
    for (const each of children(schema, kind))
      found.set(`${attribute(schema, 'Namespace')}.${attribute(each, 'Name')}`, each);
  return found;
}

export function inContainers(schemas: readonly Element[], kind: string): Element[] {
  return schemas.flatMap((schema) => children(schema, 'EntityContainer')).flatMap((each) => children(each, kind));
}

export function readSchemas(xml: string): Element[] {
  let document: unknown;
  try {
    document = parser.parse(xml, true);
  } catch (error) {
    throw notEdmx(xml, 'it is not well-formed XML', error);
  }
  const edmx = isElement(document) ? children(document, 'Edmx') : [];
  const schemas = edmx.flatMap((each) => children(each, 'DataServices')).flatMap((each) => children(each, 'Schema'));
  if (schemas.length === 0) throw notEdmx(xml, 'there is no edmx:Edmx with a Schema in it');
  return schemas;
}

function notEdmx(xml: string, why: string, cause?: unknown): TransientError {
  const start = xml.slice(0, 120).replace(/[\p{C}\s]+/gu, ' ');
  return new TransientError(`The metadata is not EDMX: ${why}. It starts with: ${start}`, {
    code: 'not-edmx',
    facts: { bodyStart: start },
    cause,
  });
}

function readEntity(set: Element, types: ReadonlyMap<string, Element>): Entity | null {
  const lineage = lineageOf(attribute(set, 'EntityType'), types);
  const keys = lineage.flatMap((type) => children(type, 'Key')).flatMap((key) => children(key, 'PropertyRef'));
  const fields = lineage.flatMap((type) => children(type, 'Property')).map(readField);
  const keyField = attribute(keys[0] ?? {}, 'Name');
  if (keys.length !== 1 || !fields.some((field) => field.name === keyField)) return null;
  return {
    name: attribute(set, 'Name'),
    keyField,
    timestampField: fields.some((field) => field.name === TIMESTAMP_FIELD) ? TIMESTAMP_FIELD : null,
    fields,
    relations: lineage.flatMap((type) => children(type, 'NavigationProperty')).map((each) => attribute(each, 'Name')),
  };
}

/** A type after the types it is derived from: their keys and fields are its own. Cycles end where they close. */
export function lineageOf(name: string, types: ReadonlyMap<string, Element>, seen: readonly string[] = []): Element[] {
  const type = types.get(name);
  if (type === undefined || seen.includes(name)) return [];
  return [...lineageOf(attribute(type, 'BaseType'), types, [...seen, name]), type];
}

function readField(property: Element): Field {
  return {
    name: attribute(property, 'Name'),
    type: FIELD_TYPES.get(attribute(property, 'Type')) ?? 'json',
    isNullable: attribute(property, 'Nullable').toLowerCase() !== 'false',
  };
}

export function children(element: Element, name: string): Element[] {
  const found = element[name];
  return Array.isArray(found) ? found.filter(isElement) : [];
}

/** Names are compared with what people type, which is NFC. */
export function attribute(element: Element, name: string): string {
  const value = element[`@${name}`];
  return typeof value === 'string' ? value.normalize('NFC') : '';
}

function isElement(value: unknown): value is Element {
  return typeof value === 'object' && value !== null;
}
