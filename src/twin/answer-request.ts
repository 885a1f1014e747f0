import {
  type Answer,
  badRequest,
  jsonAnswer,
  notFoundPage,
  notImplemented,
  plainAnswer,
  unknownKey,
} from './answer.ts';
import { BadQuery } from './bad-query.ts';
import type { Behaviour } from './behaviour.ts';
import { metadataXml } from './metadata-xml.ts';
import { type Destination, destinationOf } from './navigate.ts';
import { nextLinkOf } from './next-link.ts';
import { type Parameter, parseParameters, parseQuery, type Query } from './query-options.ts';
import { joinMembers, rawMembers } from './raw-json.ts';
import { rowRenderer } from './render-rows.ts';
import type { EntitySchema } from './schema.ts';
import { selectPage } from './select-page.ts';
import { createTable, indexOfKey, type Key, type Table } from './table.ts';
import type { TwinData } from './twin-data.ts';

/** A request, and the service it is put to. `target` is the path behind the prefix and the query, both still encoded. */
export type Question = {
  readonly method: string;
  readonly target: string;
  readonly baseUrl: string;
  readonly data: TwinData;
  readonly behaviour: Behaviour;
  /** For a page: stands as if so many rows had come before it, or gone when negative. */
  readonly shiftedBy?: number;
};

/** Sets that stand in the metadata and have no route. */
const unroutedSets: ReadonlySet<string> = new Set(['Sambehandlinger']);

type Place = { readonly schema: EntitySchema; readonly table: Table; readonly subset?: readonly number[] };
type Path = { readonly set: string; readonly key: Key | null; readonly rest: string | null };

/** Answers a request, without faults and without waiting. Never throws on what a client sends. */
export function answerRequest(question: Question): Answer {
  if (question.method !== 'GET' && question.method !== 'HEAD') return notImplemented(question.method);
  try {
    const [path = '', search = ''] = splitOnce(question.target, '?');
    return route(question, decodePath(path), parseParameters(search));
  } catch (error) {
    if (error instanceof BadQuery) return badRequest(question.behaviour.errorBody, error.message);
    throw error;
  }
}

function route(question: Question, path: string, parameters: readonly Parameter[]): Answer {
  if (path === '') return serviceDocument(question);
  if (path === '$metadata') return plainAnswer(200, 'application/xml', metadataXml(question.data.schema));
  const parsed = parsePath(path);
  const schema = parsed === null ? undefined : question.data.schema.get(parsed.set);
  if (parsed === null || schema === undefined || unroutedSets.has(schema.name)) return notFoundPage();
  const table = question.data.table(schema.name) ?? createTable(schema, []);
  const answer = answerPlace(question, { schema, table }, { path: parsed, parameters });
  return { ...answer, entity: schema.name };
}

function answerPlace(
  question: Question,
  place: Place,
  asked: { path: Path; parameters: readonly Parameter[] },
): Answer {
  const { key, rest } = asked.path;
  if (key === null) {
    if (rest === null) return collection(question, place, asked.parameters);
    return rest === '$count' ? countOnly(question, place, asked.parameters) : notFoundPage();
  }
  const index = indexOfKey(place.table, key);
  if (index === -1) return unknownKey();
  if (rest === null) return single(question, place, { index, parameters: asked.parameters });
  const destination = destinationOf(question.data, place, rest);
  return destination === undefined
    ? notFoundPage()
    : follow(question, destination, { index, parameters: asked.parameters });
}

/** `Afstemning(1)/Stemme` and `Stemme(1)/Aktør`: where the next link of an expanded collection leads. */
function follow(
  question: Question,
  destination: Destination,
  from: { index: number; parameters: readonly Parameter[] },
): Answer {
  const table = destination.table ?? createTable(destination.schema, []);
  const place = { schema: destination.schema, table, subset: destination.rowsOf(from.index) };
  if (destination.navigation.isMany) return collection(question, place, from.parameters);
  const index = place.subset[0];
  return index === undefined ? unknownKey() : single(question, place, { index, parameters: from.parameters });
}

function collection(question: Question, place: Place, parameters: readonly Parameter[]): Answer {
  const { data, behaviour, baseUrl } = question;
  const query = parseQuery(parameters);
  const page = selectPage({ data, behaviour, query, ...place, shiftedBy: question.shiftedBy ?? 0 });
  const isWhole = query.select === null && query.expand.size === 0;
  const packed = isWhole ? place.table.packed : null;
  const render = packed ?? rowRenderer({ data, baseUrl, cap: behaviour.cap }, place, query);
  const address = baseUrl + (splitOnce(question.target, '?')[0] ?? '');
  const end = { address, parameters, top: query.top, skip: query.skip, cap: behaviour.cap, hasMore: page.hasMore };
  const nextLink = nextLinkOf(behaviour.nextLink, end);
  const head = `{"odata.metadata":${contextUrl(question, place.schema, query)},${countMember(query, page.total, behaviour)}"value":[`;
  const tail = nextLink === null ? ']}' : `],"odata.nextLink":${JSON.stringify(nextLink)}}`;
  const rows = page.indexes.map((index) => render(index));
  const keyAt = (at: number): Key | null => place.table.keys[page.indexes.at(at) ?? -1] ?? null;
  return { ...jsonAnswer(200, { head, rows, tail }), firstKey: keyAt(0), lastKey: keyAt(-1) };
}

function countMember(query: Query, total: number | null, behaviour: Behaviour): string {
  if (!query.wantsCount || total === null || behaviour.count === 'missing') return '';
  const count = total + behaviour.countError;
  return `"odata.count":${behaviour.count === 'string' ? `"${count}"` : count},`;
}

/** `$metadata#Sag`, or `$metadata#Sag&$select=id,titel`. */
function contextUrl(question: Question, schema: EntitySchema, query: Pick<Query, 'select'>): string {
  const selected = query.select === null ? '' : `&$select=${query.select.map(encodeURIComponent).join(',')}`;
  return JSON.stringify(`${question.baseUrl}$metadata#${encodeURIComponent(schema.name)}${selected}`);
}

function countOnly(question: Question, place: Place, parameters: readonly Parameter[]): Answer {
  const query = { ...parseQuery(parameters), orderBy: [], top: 0, skip: 0, wantsCount: true };
  const { data, behaviour } = question;
  const page = selectPage({ data, behaviour, query, ...place });
  return plainAnswer(200, 'text/plain; charset=utf-8', String((page.total ?? 0) + behaviour.countError));
}

function single(question: Question, place: Place, from: { index: number; parameters: readonly Parameter[] }): Answer {
  const { data, baseUrl, behaviour } = question;
  const query = parseQuery(from.parameters);
  const text = rowRenderer({ data, baseUrl, cap: behaviour.cap }, place, query)(from.index);
  const context = {
    name: 'odata.metadata',
    value: contextUrl(question, place.schema, query).slice(0, -1) + '/@Element"',
  };
  const key = place.table.keys[from.index] ?? null;
  return { ...jsonAnswer(200, joinMembers([context, ...rawMembers(text)])), firstKey: key, lastKey: key };
}

function serviceDocument({ baseUrl, data }: Question): Answer {
  const value = [...data.schema.keys()].map((name) => ({ name, url: name }));
  return jsonAnswer(200, JSON.stringify({ 'odata.metadata': `${baseUrl}$metadata`, value }));
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path).normalize('NFC');
  } catch {
    throw new BadQuery('option', `Not percent-encoded: ${path}`);
  }
}

/** `Sag`, `Sag(5)`, `Sag/$count`, `Afstemning(1)/Stemme`; null for anything else. */
function parsePath(path: string): Path | null {
  const parts = /^(?<set>[\p{L}\p{N}_]+)(?:\((?<key>-?\d+|'(?:[^']|'')*')\))?(?:\/(?<rest>[^/]+))?$/u.exec(
    path,
  )?.groups;
  if (parts?.['set'] === undefined) return null;
  return { set: parts['set'], key: parseKey(parts['key']), rest: parts['rest'] ?? null };
}

function parseKey(text: string | undefined): Key | null {
  if (text === undefined) return null;
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
