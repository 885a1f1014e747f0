import type { Drift } from '../../domain/drift.ts';
import { PermanentError } from '../../domain/errors.ts';
import { sliceElements, sliceOne } from '../../domain/json-bytes.ts';
import { cutProperties } from '../../domain/json-text.ts';
import type { Entity } from '../../domain/record.ts';
import type { Expansion } from '../../domain/relations.ts';
import { isRow, normaliseRecord } from '../normalise.ts';
import { observeFields } from '../observe-fields.ts';
import type { NestedPart, NestedRelation, NestedRow, Rest, SourceQuery } from '../source.ts';
import { type ParsedRow, parseCollection } from './collection.ts';
import { expandPaths } from './page-url.ts';

/** The rows of each expansion, gathered from all parents of a page. */
type Gathered = Map<Expansion, unknown[]>;

/**
 * Takes rows apart into what they are by themselves and what came nested in them, as deep as was asked for. Throws a
 * PermanentError (`expand-ignored`) when something that was asked for has not come.
 */
export function readNested(
  rows: readonly ParsedRow[],
  entity: Entity,
  expand: readonly Expansion[],
): Pick<NestedPart, 'rows' | 'drift'> {
  const gathered: Gathered = new Map();
  const taken = takeRows(rows, { entity, expand, gathered });
  return { rows: taken, drift: [...gathered].flatMap(([expansion, values]) => driftOf(expansion, values)) };
}

/** Relations are written among the fields, and so are notes such as `odata.type` and `Stemme@odata.nextLink`. */
export function isField(name: string, { relations }: Pick<Entity, 'relations'>): boolean {
  return !/(?:^|@)odata\./.test(name) && !relations.includes(name);
}

interface Taking {
  readonly entity: Entity;
  readonly expand: readonly Expansion[];
  readonly gathered: Gathered;
}

function takeRows(rows: readonly ParsedRow[], taking: Taking): NestedRow[] {
  return rows.map((row) => takeRow(row, taking));
}

function takeRow({ value: row, ...slice }: ParsedRow, { entity, expand, gathered }: Taking): NestedRow {
  if (!isRow(row) || expand.length === 0) return { taken: normaliseRecord(slice, row, entity), relations: [] };
  const names = new Set(expand.map(({ relation }) => relation));
  const own = cutProperties(slice.json.toString(), (name) => names.has(name.split('@odata.')[0] ?? ''));
  const relations = expand.map((expansion): NestedRelation => {
    const { relation } = expansion;
    if (!Object.hasOwn(row, relation)) throw expandIgnored(entity, row, relation);
    const rows = rowsOf(row[relation], own.cut.get(relation) ?? 'null');
    const known = gathered.get(expansion) ?? [];
    gathered.set(expansion, known);
    for (const { value } of rows) known.push(value);
    const link = row[`${relation}@odata.nextLink`];
    const isCut = typeof link === 'string' && link !== '';
    return {
      expansion,
      rows: takeRows(rows, { entity: expansion.entity, expand: expansion.expand, gathered }),
      rest: isCut ? { expansion, link, full: Math.max(1, rows.length) } : null,
    };
  });
  return { taken: normaliseRecord(sliceOne(own.text), row, entity), relations };
}

/** A collection, one record, or none. */
function rowsOf(value: unknown, text: string): readonly ParsedRow[] {
  if (value === null) return [];
  if (!Array.isArray(value)) return [{ ...sliceOne(text), value }];
  const slices = sliceElements(Buffer.from(`{"value":${text}}`), 'value') ?? [];
  return slices.map((slice, index) => ({ ...slice, value: value[index] as unknown }));
}

function expandIgnored({ name, keyField }: Entity, row: Readonly<Record<string, unknown>>, relation: string) {
  const key = String(row[keyField]);
  return new PermanentError(
    `The source did not follow the relation ${relation}: it sent ${name} ${key} without it. Harvest the related entity by itself.`,
    { code: 'expand-ignored', facts: { entity: name, key, relation } },
  );
}

/** As a query of its own, kept for as long as the expansion: what `observeFields` compiles for it lives as long. */
const queries = new WeakMap<Expansion, SourceQuery>();

/** The fields of nested rows bear the name of their entity: a run tells drift of several. */
function driftOf(expansion: Expansion, rows: readonly unknown[]): Drift[] {
  const { entity } = expansion;
  const selection = { filter: null, select: null, maxRecords: null };
  const query = queries.get(expansion) ?? { entity, selection };
  queries.set(expansion, query);
  return observeFields(rows, query, (name) => isField(name, entity)).map((drift) => ({
    ...drift,
    field: `${entity.name}.${drift.field}`,
  }));
}

/**
 * The path of what a nested collection lacks, from the link that stands in its parent. The link leads below the service's
 * root, whatever host it names: nothing is asked of another. Its rows must bring along what was asked to come in them, which
 * the framework leaves out of the link.
 */
export function restPath({ expansion, link }: Rest, baseUrl: string): string {
  const root = new URL(baseUrl);
  const url = URL.canParse(link, baseUrl) ? new URL(link, baseUrl) : null;
  if (url === null || !url.pathname.startsWith(root.pathname)) {
    throw new PermanentError(
      `The rest of ${expansion.relation} lies outside of the service, so it cannot be read: ${link.slice(0, 200)}`,
      { code: 'bad-next-link', facts: { relation: expansion.relation } },
    );
  }
  const path = `${url.pathname.slice(root.pathname.length)}${url.search}`;
  const expand = expandPaths(expansion.expand);
  if (expand === null || url.searchParams.has('$expand')) return path;
  return `${path}${url.search === '' ? '?' : '&'}$expand=${encodeURIComponent(expand)}`;
}

/** What came of it, and what is still missing. */
export function readRest(rest: Rest, body: Buffer): NestedPart {
  const { expansion, full } = rest;
  const { envelope, rows: came } = parseCollection(body);
  const gathered: Gathered = new Map([[expansion, came.map(({ value }) => value)]]);
  const rows = takeRows(came, { entity: expansion.entity, expand: expansion.expand, gathered });
  const link = envelope['odata.nextLink'];
  const next = typeof link === 'string' && link !== '' ? link : linkBehind(rest, came.length);
  const drift = [...gathered].flatMap(([each, found]) => driftOf(each, found));
  return { rows, rest: next === null ? null : { expansion, link: next, full }, drift };
}

/** A full page without a link may be the last, or the source may send none: one request more will tell. */
function linkBehind({ link, full }: Rest, received: number): string | null {
  const skip = /([?&](?:\$|%24)skip=)(\d+)/i;
  if (received < full || !skip.test(link)) return null;
  return link.replace(skip, (_all, name: string, value: string) => `${name}${Number(value) + received}`);
}
