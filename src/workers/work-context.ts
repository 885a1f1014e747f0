import type { Database } from '../db/database.ts';
import type { RunRow } from '../db/schema.ts';
import { selectionOf } from '../domain/harvest-request.ts';
import { redact } from '../domain/redact.ts';
import type { Queues } from '../queues/queues.ts';
import type { Source, SourceFetch, SourceQuery } from '../sources/source.ts';
import type { Telemetry } from '../telemetry/events.ts';

/** What a worker process works with; the composition root builds it. */
export interface WorkContext {
  readonly database: Database;
  readonly queues: Queues;
  readonly telemetry: Telemetry;
  readonly reach: (source: string) => { readonly source: Source; readonly fetch: SourceFetch };
  /** This process in the ledger. */
  readonly workerId: number;
}

/**
 * Whether this process reaches the server that a run was planned from. One that is set to another must leave the run
 * alone: it would mix that server's records, or its counts, in.
 */
export function isSourceOf(source: Pick<Source, 'baseUrl'>, run: Pick<RunRow, 'sourceUrl'>): boolean {
  return redact(source.baseUrl) === run.sourceUrl;
}

/** What a run asks its source for, whoever asks. */
export function queryOf({
  entity,
  request,
  timeWindow,
  expand,
}: Pick<RunRow, 'entity' | 'request' | 'timeWindow' | 'expand'>): SourceQuery {
  return { entity, selection: selectionOf(request), window: timeWindow, ...(expand && { expand }) };
}
