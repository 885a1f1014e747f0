import type { Database } from '../db/database.ts';
import type { Queues } from '../queues/queues.ts';
import type { Source, SourceFetch } from '../sources/source.ts';
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
