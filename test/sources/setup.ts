import type { Gate } from '../../src/domain/gate.ts';
import type { Selection } from '../../src/domain/harvest-request.ts';
import type { Entity, NormalisedRecord, RejectedRecord } from '../../src/domain/record.ts';
import type { RetryPolicy } from '../../src/domain/retry-policy.ts';
import { createHttpClient, type HttpClient, type HttpClientOptions } from '../../src/sources/http-client.ts';
import type { Source, SourceQuery } from '../../src/sources/source.ts';
import { type Clock, createSourceFetch, type FetchEvent } from '../../src/sources/source-fetch.ts';

export const everything: Selection = { filter: null, select: null, maxRecords: null };

export const quickPolicy: RetryPolicy = { maxAttempts: 3, baseDelayMs: 100, maxDelayMs: 400 };

/** A gate that is always open, and remembers until when it was asked to close. */
export function openGate(): Gate & {
  readonly closings: number[];
  readonly admitted: () => number;
  readonly answered: () => number;
} {
  const closings: number[] = [];
  let admissions = 0;
  let answers = 0;
  return {
    closings,
    admitted: () => admissions,
    answered: () => answers,
    admit: async ({ signal } = {}) => {
      signal?.throwIfAborted();
      admissions++;
      return { answered: () => void answers++, settle: async () => undefined };
    },
    closedForMs: () => 0,
    closeFor: async (ms) => {
      closings.push(ms);
    },
  };
}

/** A clock on which sleeping takes no time, and is written down. */
export function quickClock(start = new Date('2026-01-01T00:00:00Z')): Clock & { readonly sleeps: number[] } {
  const sleeps: number[] = [];
  let nowMs = start.getTime();
  return {
    sleeps,
    now: () => new Date(nowMs),
    sleep: async (delayMs, signal) => {
      signal?.throwIfAborted();
      sleeps.push(delayMs);
      nowMs += delayMs;
    },
  };
}

export function openClient(baseUrl: string, options: Partial<HttpClientOptions> = {}): HttpClient {
  return createHttpClient({
    baseUrl,
    userAgent: 'sheaf-test',
    connections: 4,
    connectTimeoutMs: 2_000,
    headersTimeoutMs: 5_000,
    bodyTimeoutMs: 5_000,
    maxBodyBytes: 5_000_000,
    ...options,
  });
}

/** Everything needed to ask a source at a URL, with no waiting between tries. */
export function reach(baseUrl: string, policy = quickPolicy) {
  const client = openClient(baseUrl);
  const gate = openGate();
  const clock = quickClock();
  const events: FetchEvent[] = [];
  const fetch = createSourceFetch({
    source: 'test',
    client,
    gate,
    policy,
    clock,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
  });
  return { client, gate, clock, events, fetch };
}

/** The pages of one span, walked to the end. Fails when the walk does not move on. */
export async function walk(
  { source, fetch }: Pick<Walkable, 'source' | 'fetch'>,
  query: SourceQuery,
  position: Omit<Parameters<Source['pagePath']>[1], 'cursor'>,
) {
  const keys: string[] = [];
  const texts: string[] = [];
  const rejects: string[] = [];
  const rows: (NormalisedRecord | RejectedRecord)[] = [];
  const pages: number[] = [];
  let cursor: number | null = position.span.after === position.span.upto ? null : position.span.after;
  while (cursor !== null) {
    const at = { ...position, cursor };
    const { value } = await fetch(source.pagePath(query, at), (body) => source.readPage(query, at, body));
    if (value.next !== null && value.next <= cursor) throw new Error(`stuck at ${cursor}`);
    keys.push(...value.records.map((record) => record.key));
    texts.push(...value.records.map(textOf));
    rejects.push(...value.rejects.map((reject) => reject.reason));
    rows.push(...value.records, ...value.rejects);
    pages.push(value.received);
    cursor = value.next;
  }
  return { keys, texts, rejects, rows, pages };
}

export interface Walkable {
  readonly source: Source;
  readonly fetch: ReturnType<typeof reach>['fetch'];
}

export function entityOf(change: Partial<Entity> = {}): Entity {
  return {
    name: 'Aktør',
    keyField: 'id',
    timestampField: 'opdateringsdato',
    fields: [
      { name: 'id', type: 'integer', isNullable: false },
      { name: 'navn', type: 'text', isNullable: true },
      { name: 'typeid', type: 'integer', isNullable: false },
      { name: 'aktiv', type: 'boolean', isNullable: true },
      { name: 'startdato', type: 'timestamp', isNullable: true },
      { name: 'opdateringsdato', type: 'timestamp', isNullable: false },
    ],
    relations: ['Stemme', 'Aktørtype'],
    ...change,
  };
}

/** A row's own JSON, whether it was taken or not. */
export function textOf(row: NormalisedRecord | RejectedRecord): string {
  return 'json' in row ? row.json.toString() : row.text;
}
