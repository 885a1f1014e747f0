import type { Drift } from '../domain/drift.ts';
import type { Selection, Strategy } from '../domain/harvest-request.ts';
import type { Entity, NormalisedRecord, RejectedRecord } from '../domain/record.ts';
import type { Expansion } from '../domain/relations.ts';
import type { Span } from '../domain/span.ts';
import type { TimeWindow } from '../domain/time-window.ts';

/**
 * The contract of a source: an upstream API that hands out its records page by page.
 *
 * A source knows how its API is asked and what its answers mean; it never sends a request itself, keeps no state but a
 * cache of its metadata, and knows nothing of queues, databases or retries. Every method that needs the network is
 * handed a `SourceFetch`, which paces requests, retries what is transient, and counts.
 */
export interface Source {
  /** The first half of a dataset's name; also the schema of its typed views. */
  readonly name: string;
  /** One line for people: what this source holds. */
  readonly title: string;
  /** The path, relative to `baseUrl`, of something small that the source always answers when it is well. */
  readonly probePath: string;
  /** Ends with a slash. May hold credentials: redact before showing. */
  readonly baseUrl: string;
  /** The zone of the times that it writes without one, e.g. `Europe/Copenhagen`. */
  readonly timeZone: string;
  /** Whether it can be asked for some fields of its records only. */
  readonly canSelect: boolean;

  /** The entities that exist, from the source's metadata, which may be believed for some minutes. */
  entities(fetch: SourceFetch): Promise<readonly Entity[]>;

  /**
   * Finds one entity and checks that the selection makes sense for it.
   * Throws a UsageError that names what was asked, what exists and the nearest name, for an unknown entity or field.
   */
  check(fetch: SourceFetch, entity: string, selection: Selection): Promise<Entity>;

  /**
   * Where relations lead from an entity, and others from there: what `expand` of a query holds. Throws a UsageError that
   * names what exists and the nearest name for an unknown relation, and one for paths deeper than the source follows; a
   * source that follows none refuses every path.
   */
  relate(fetch: SourceFetch, entity: Entity, paths: readonly string[]): Promise<readonly Expansion[]>;

  /** Asks the source what a plan needs to know. A few requests, whatever the volume. */
  survey(fetch: SourceFetch, query: SourceQuery, strategy: Strategy | null): Promise<Survey>;

  /**
   * The latest timestamp among the records that the query selects; null when none has one, or the entity has no
   * timestamps. Throws a PermanentError (`order-ignored`) when the source cannot tell which one it is.
   */
  latest(fetch: SourceFetch, query: SourceQuery): Promise<string | null>;

  /** How many records the query selects now; with a range, only those inside it. Null when the source cannot say. */
  count(fetch: SourceFetch, query: SourceQuery, within?: CountRange): Promise<number | null>;

  /**
   * How many records the query selects now, and their highest key, in one request: whether a walk by `keyset` has
   * reached the end can thus be told for the price of a count. `maxRecords` is left out of account.
   */
  extent(fetch: SourceFetch, query: SourceQuery): Promise<Extent>;

  /** The path and query, relative to `baseUrl`, of the page of `span` that starts after `cursor`. */
  pagePath(query: SourceQuery, position: PagePosition): string;

  /**
   * What a response means. Throws a TransientError for a body that is cut short or not what a healthy source answers,
   * a PermanentError when the source did not do what was asked (filter or order ignored).
   */
  readPage(query: SourceQuery, position: PagePosition, body: Buffer): Page;

  /** The path of the rows of a nested collection that its page has not brought. */
  restPath(rest: Rest): string;

  /** What the answer to `restPath` means. Throws like `readPage`. */
  readRest(rest: Rest, body: Buffer): NestedPart;

  /**
   * One record's text, as a page once held it, normalised as `readPage` would today: what is the same in both cases has
   * the same key, hash and text. Never throws: what cannot be taken is a reject.
   */
  normalise(entity: Entity, text: string): NormalisedRecord | RejectedRecord;

  /** The canonical shape of an entity's records, with its columns; null where the source's own shape is the canonical one. */
  canonicalShape(entity: string): CanonicalShape | null;
}

/** One entity, and which of its records are wanted. */
export interface SourceQuery {
  readonly entity: Entity;
  readonly selection: Selection;
  /** Of a step: only records that were last changed within it. Null, or left out: all. */
  readonly window?: TimeWindow | null;
  /** Relations whose records the pages bring along; nothing else of a query is changed by them. Left out: none. */
  readonly expand?: readonly Expansion[];
}

/** A span of keys or of positions. Without a strategy: of keys, where the source can range over them. */
export interface CountRange extends Span {
  readonly strategy?: Strategy;
}

export interface Extent {
  /** Null when the source does not say. */
  readonly count: number | null;
  /** Null when there is no record, or its key is not a number. */
  readonly highest: number | null;
}

export interface Survey {
  readonly strategy: Strategy;
  /** What the slices must cover: keys for `keyset`, positions for `offset`. Empty (`after === upto`) when there is nothing. */
  readonly span: Span;
  /** Records the source says match; null when it does not say. `maxRecords` is already taken into account. */
  readonly expected: number | null;
  /** Records a page holds, as learnt from what came back. */
  readonly pageSize: number;
  /**
   * All that there is, when a query with a window was answered with all of it and its count at once: nothing more need
   * be asked. Null otherwise.
   */
  readonly whole: Page | null;
}

export interface PagePosition {
  readonly strategy: Strategy;
  readonly span: Span;
  /** Where the walk has come to: `span.after` at first, then the last page's `next`. */
  readonly cursor: number;
  /** Records a page is known to hold; used to tell a short page from a full one. */
  readonly pageSize: number;
}

export interface Page {
  readonly records: readonly NormalisedRecord[];
  readonly rejects: readonly RejectedRecord[];
  /** Rows in the response, taken or not. */
  readonly received: number;
  /** The cursor of the following page; null when the span is exhausted. */
  readonly next: number | null;
  /** In what its rows differ from the entity's fields, each once; see `observeFields`. */
  readonly drift: readonly Drift[];
  /** Its rows with what came nested in them, taken or not; left out where the query follows no relations. */
  readonly nested?: readonly NestedRow[];
}

/** A row, and what came nested in it. */
export interface NestedRow {
  /** As it would have come without: the same text, and the same hash. */
  readonly taken: NormalisedRecord | RejectedRecord;
  readonly relations: readonly NestedRelation[];
}

export interface NestedRelation {
  readonly expansion: Expansion;
  readonly rows: readonly NestedRow[];
  /** Where those are that the source has cut off; null when these are all. */
  readonly rest: Rest | null;
}

/** What is missing of a nested collection. */
export interface Rest {
  readonly expansion: Expansion;
  /** The address that the source gave for it. */
  readonly link: string;
  /** Rows after which the source is known to cut. */
  readonly full: number;
}

/** Some rows of a nested collection. */
export interface NestedPart {
  readonly rows: readonly NestedRow[];
  readonly rest: Rest | null;
  readonly drift: readonly Drift[];
}

export interface CanonicalShape {
  readonly columns: readonly string[];
  toCanonical(record: Record<string, unknown>): Record<string, unknown>;
}

/**
 * Sends one GET below the source's base URL: waits for the gate, retries what is transient with jitter, honours
 * `Retry-After`. `read` turns the body of a 2xx answer, which is UTF-8 for sure, into a value and may throw a TransientError to have the request
 * tried again. `accept` is the media type asked for (default JSON).
 */
export type SourceFetch = <T>(path: string, read: (body: Buffer) => T, options?: FetchOptions) => Promise<Fetched<T>>;

export interface FetchOptions {
  readonly accept?: string;
  readonly signal?: AbortSignal;
  /** Requests of the same kind take equally long while the source is well; one without a kind tells nothing by its time. */
  readonly kind?: string;
}

export interface Fetched<T> {
  readonly value: T;
  /** Requests sent, the successful one included. */
  readonly requests: number;
  readonly bytes: number;
  readonly durationMs: number;
}
