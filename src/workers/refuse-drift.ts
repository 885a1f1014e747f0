import type { Database } from '../db/database.ts';
import { findRecordDrift } from '../db/queries/drift.ts';
import type { RunRow } from '../db/schema.ts';
import { describeDrift } from '../domain/drift.ts';
import { PermanentError } from '../domain/errors.ts';

/** Ends a run, before anything is published, whose records are not what the metadata say; for the policy `fail`. */
export async function refuseDrift(database: Database, run: Pick<RunRow, 'id' | 'dataset'>): Promise<void> {
  const drift = await findRecordDrift(database, run.id);
  if (drift === undefined) return;
  const { kind, field, key } = drift;
  throw new PermanentError(
    `The records of ${run.dataset} are not what its metadata say: ${describeDrift(drift)}. Nothing was published, as ` +
      'asked with --on-drift fail. Look at what has drifted, and harvest again with --on-drift accept to take it as it is.',
    { code: 'record-drift', facts: { dataset: run.dataset, kind, field, key } },
  );
}
