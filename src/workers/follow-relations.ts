import type { RelatedPage } from '../db/queries/related.ts';
import { datasetName } from '../domain/dataset.ts';
import type { Drift } from '../domain/drift.ts';
import { PermanentError, TransientError } from '../domain/errors.ts';
import type { Entity, NormalisedRecord, RejectedRecord } from '../domain/record.ts';
import type { Fetched, NestedRelation, NestedRow, Page, Rest, Source, SourceFetch } from '../sources/source.ts';
import { identityOf } from './staged-before.ts';

/** Requests that what is nested in one page may cost: its rows are in memory until the page is staged. */
export const MOST_PARTS = 500;

/**
 * Bytes that may come nested in one page. A record that comes in many parents is held, and counts, once,
 * unless parents are kept with all that is in them.
 */
export const MOST_NESTED = 16 * 1024 * 1024;

/** A page with all that came nested in it. */
export interface WholePage extends Fetched<Page> {
  /** Left out where no relations are followed. */
  readonly related?: RelatedPage;
}

interface Following {
  readonly source: Source;
  readonly fetch: SourceFetch;
  readonly stop: AbortSignal;
  /** Whether files are to show records inside their parents. */
  readonly isNesting: boolean;
  /** Left out: MOST_NESTED. */
  readonly mostSize?: number;
}

type Taken = NestedRow['taken'];

/** What has come so far, and what it has cost. */
interface Haul {
  parts: number;
  requests: number;
  bytes: number;
  /** Bytes of what came nested. */
  size: number;
  /** Each nested record once, by what it is. */
  readonly known: Map<string, Taken>;
  readonly drift: Drift[];
}

/**
 * Reads every nested collection of a page to its end: the source cuts them as it cuts pages. Whatever cannot be had fails
 * the page, so that a page that is staged has all that belongs to it.
 */
export async function followRelations(following: Following, fetched: Fetched<Page>): Promise<WholePage> {
  const { nested, ...page } = fetched.value;
  if (nested === undefined) return fetched;
  const { requests, bytes } = fetched;
  const haul: Haul = { parts: 0, requests, bytes, size: 0, known: new Map(), drift: [...page.drift] };
  const rows: NestedRow[] = [];
  for (const row of nested) rows.push(await complete(following, row, haul));
  return {
    value: { ...page, drift: haul.drift },
    requests: haul.requests,
    bytes: haul.bytes,
    durationMs: fetched.durationMs,
    related: {
      parts: haul.parts,
      sets: gather(rows, following.source.name),
      documents: following.isNesting ? documentsOf(rows, page) : [],
    },
  };
}

async function complete(following: Following, row: NestedRow, haul: Haul): Promise<NestedRow> {
  const relations: NestedRelation[] = [];
  for (const relation of row.relations) {
    const { entity } = relation.expansion;
    const rows: NestedRow[] = [];
    const take = async (each: NestedRow) =>
      rows.push(await complete(following, { ...each, taken: keep(following, { entity, ...each }, haul) }, haul));
    for (const each of relation.rows) await take(each);
    for await (const part of restOf(following, relation, haul)) for (const each of part) await take(each);
    relations.push({ ...relation, rows, rest: null });
  }
  return { ...row, relations };
}

/** Holds a nested record: the one that is held already, if it has come before. */
function keep(
  { source, isNesting, mostSize = MOST_NESTED }: Following,
  { entity, taken }: { readonly entity: Entity; readonly taken: Taken },
  haul: Haul,
): Taken {
  const identity = identityOf(entity.name, taken);
  const known = haul.known.get(identity);
  if (known === undefined || isNesting)
    haul.size += 'reason' in taken ? Buffer.byteLength(taken.text) : taken.json.length;
  if (haul.size > mostSize) throw tooMuch(entity.name, source.name, mostSize);
  if (known !== undefined) return known;
  // Of its own: what was cut from an answer would hold all of that answer in memory.
  const kept = 'reason' in taken ? taken : { ...taken, json: Buffer.from(taken.json) };
  haul.known.set(identity, kept);
  return kept;
}

async function* restOf(
  { source, fetch, stop }: Following,
  relation: NestedRelation,
  haul: Haul,
): AsyncGenerator<readonly NestedRow[]> {
  const followed = new Set<string>();
  for (let rest = relation.rest; rest !== null; ) {
    const current: Rest = rest;
    const { name } = current.expansion.entity;
    if (followed.has(current.link)) throw loops(current);
    followed.add(current.link);
    if (++haul.parts > MOST_PARTS) throw tooLarge(name, source.name);
    const options = { signal: stop, kind: `${name} of one` };
    const part = fetch(source.restPath(current), (body) => source.readRest(current, body), options);
    const { value, requests, bytes } = await part.catch((error: unknown) => {
      throw isGone(error) ? goneSince(current, error) : error;
    });
    haul.requests += requests;
    haul.bytes += bytes;
    haul.drift.push(...value.drift);
    yield value.rows;
    rest = value.rest;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof PermanentError && /^http-4(?:04|10)$/.test(error.code);
}

/** The page is read anew then: the record is not there any more, or has a collection again. */
function goneSince({ expansion }: Rest, cause: unknown): TransientError {
  return new TransientError(
    `A record has gone since its page was read: the rest of its ${expansion.relation} is not there any more. The page is read again.`,
    { code: 'rest-gone', facts: { relation: expansion.relation }, cause },
  );
}

function loops({ expansion, link }: Rest): PermanentError {
  return new PermanentError(
    `The pages of ${expansion.relation} go in a circle: the source sends ${link.slice(0, 200)} a second time. ` +
      `Harvest ${expansion.entity.name} by itself.`,
    { code: 'bad-next-link', facts: { relation: expansion.relation } },
  );
}

function tooLarge(entity: string, source: string): PermanentError {
  return new PermanentError(
    `What is nested in one page takes more than ${MOST_PARTS} requests. Harvest the entity by itself, which takes fewer ` +
      `requests in all: sheaf harvest ${source}/${entity}`,
    { code: 'expand-too-large', facts: { entity, most: MOST_PARTS } },
  );
}

function tooMuch(entity: string, source: string, most: number): PermanentError {
  return new PermanentError(
    `What is nested in one page holds more than ${most.toLocaleString('en-GB')} bytes, which would have to be in memory ` +
      `at once. Harvest the entity by itself: sheaf harvest ${source}/${entity}`,
    { code: 'expand-too-large', facts: { entity, most } },
  );
}

interface Gathered {
  readonly records: Set<NormalisedRecord>;
  readonly rejects: Set<RejectedRecord>;
}

/** The nested records by dataset, each once: the same ones are one object by now. */
function gather(rows: readonly NestedRow[], source: string): RelatedPage['sets'] {
  const sets = new Map<string, Gathered>();
  const visit = ({ relations }: NestedRow): void => {
    for (const { expansion, rows: nested } of relations) {
      const dataset = datasetName({ source, entity: expansion.entity.name });
      const set: Gathered = sets.get(dataset) ?? { records: new Set(), rejects: new Set() };
      sets.set(dataset, set);
      for (const row of nested) {
        if ('reason' in row.taken) set.rejects.add(row.taken);
        else set.records.add(row.taken);
        visit(row);
      }
    }
  };
  for (const row of rows) visit(row);
  return [...sets].map(([dataset, { records, rejects }]) => ({
    dataset,
    records: [...records],
    rejects: [...rejects],
  }));
}

/** The texts of a page's own records with all that came in them. */
function documentsOf(rows: readonly NestedRow[], { records }: Page): RelatedPage['documents'] {
  const own = new Set(records);
  return rows.flatMap((row) => {
    const { taken } = row;
    if ('reason' in taken || !own.has(taken)) return []; // a row sent twice counts once
    return [{ key: taken.key, hash: taken.hash, json: Buffer.from(nestedText(row)) }];
  });
}

/** A record's own text, and its relations as its last properties. */
function nestedText({ taken, relations }: NestedRow): string {
  const nested = relations.map(({ expansion, rows }) => {
    const texts = rows.map(nestedText);
    const value = expansion.isMany ? `[${texts.join(',')}]` : (texts[0] ?? 'null');
    return `${JSON.stringify(expansion.relation)}:${value}`;
  });
  const text = 'reason' in taken ? taken.text : taken.json.toString();
  if (nested.length === 0) return text;
  const own = text.slice(0, -1);
  return `${own}${own === '{' ? '' : ','}${nested.join(',')}}`;
}
