import { UsageError } from '../../domain/errors.ts';
import type { Selection } from '../../domain/harvest-request.ts';
import { didYouMean, listNames, nearest } from '../../domain/nearest.ts';
import type { Entity } from '../../domain/record.ts';
import { normaliseText } from '../normalise.ts';
import type { Source, SourceFetch } from '../source.ts';
import { canonicalShapeOf } from './canonical.ts';
import { checkFilterNames, parseFilter } from './filter.ts';
import { parseMetadata } from './metadata.ts';
import { readRest, restPath } from './nested.ts';
import { pagePath } from './page-url.ts';
import { readPage } from './read-page.ts';
import { followPaths, parseRelations } from './relations.ts';
import { count, extent, latest, survey } from './survey.ts';

export interface OdaSourceOptions {
  /** The service's root, e.g. `https://oda.ft.dk/api/`. */
  readonly baseUrl: string;
  /** For how long the metadata are believed before they are asked for again. Default ten minutes. */
  readonly metadataMs?: number;
}

/** Long enough for them to cost next to nothing, short enough for a server that runs for months to see them change. */
const METADATA_MS = 600_000;

/** The open data of the Danish Parliament, or any OData v3 service that behaves like it. */
export function createOdaSource({ baseUrl, metadataMs = METADATA_MS }: OdaSourceOptions): Source {
  let cached: Promise<Metadata> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY; // of the monotonic clock

  /** A failure is not remembered: the next one who asks tries again. */
  const metadata = (fetch: SourceFetch) => {
    const now = performance.now();
    if (now - askedAt >= metadataMs) cached = undefined;
    if (cached === undefined) askedAt = now;
    cached ??= loadMetadata(fetch).catch((error: unknown) => {
      cached = undefined;
      throw error;
    });
    return cached;
  };

  const entities = async (fetch: SourceFetch) => (await metadata(fetch)).entities;
  const root = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`;

  return {
    name: 'oda',
    title: 'Open data of the Danish Parliament (Folketinget)',
    baseUrl: root,
    timeZone: 'Europe/Copenhagen',
    canSelect: true,
    probePath: '', // the service document: a list of the entities
    entities,
    check: async (fetch, entity, selection) => checkSelection(await entities(fetch), entity, selection),
    relate: async (fetch, entity, paths) => {
      if (paths.length === 0) return [];
      const { entities: known, relations } = await metadata(fetch);
      return followPaths({ entities: known, relations: relations() }, entity, paths);
    },
    survey,
    latest,
    count,
    extent,
    pagePath,
    readPage,
    restPath: (rest) => restPath(rest, root),
    readRest,
    normalise: (entity, text) => normaliseText(text, entity),
    canonicalShape: canonicalShapeOf,
  };
}

interface Metadata {
  readonly entities: readonly Entity[];
  /** Read when they are asked for: most runs follow none. */
  readonly relations: () => ReturnType<typeof parseRelations>;
}

async function loadMetadata(fetch: SourceFetch): Promise<Metadata> {
  const read = (body: Buffer): Metadata => {
    const xml = body.toString();
    return { entities: parseMetadata(xml), relations: () => parseRelations(xml) };
  };
  return (await fetch('$metadata', read, { accept: 'application/xml' })).value;
}

function checkSelection(entities: readonly Entity[], asked: string, selection: Selection): Entity {
  const entity = findEntity(entities, asked);
  for (const field of selection.select ?? []) checkField(entity, field);
  if (selection.filter !== null) checkFilterNames(parseFilter(selection.filter), entity, selection.filter);
  const { maxRecords } = selection;
  if (maxRecords !== null && !(Number.isSafeInteger(maxRecords) && maxRecords >= 1)) {
    throw new UsageError(`The most records to harvest must be a whole number from 1, not ${maxRecords}.`, {
      code: 'bad-max-records',
      facts: { asked: maxRecords },
    });
  }
  return entity;
}

function findEntity(entities: readonly Entity[], asked: string): Entity {
  const name = asked.normalize('NFC');
  const found = entities.find((entity) => entity.name === name);
  if (found !== undefined) return found;
  const names = entities.map((entity) => entity.name);
  throw new UsageError(
    `The source oda has no entity "${asked}".${didYouMean(name, names)} It has: ${listNames(names, 60)}.`,
    { code: 'unknown-entity', facts: { asked, nearest: nearest(name, names) } },
  );
}

function checkField(entity: Entity, asked: string): void {
  const names = entity.fields.map((field) => field.name);
  if (names.includes(asked)) return;
  throw new UsageError(
    `${entity.name} has no field "${asked}".${didYouMean(asked, names)} It has: ${listNames(names, 40)}.`,
    { code: 'unknown-field', facts: { asked, entity: entity.name, nearest: nearest(asked, names) } },
  );
}
