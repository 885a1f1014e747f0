import type { FinaliseClaim } from '../db/queries/runs.ts';
import type { RunRow } from '../db/schema.ts';
import type { Source, SourceQuery } from '../sources/source.ts';
import type { SheafEvents } from '../telemetry/events.ts';
import type { WorkContext } from './work-context.ts';

/** A run that is being finalised. */
export interface Finalising {
  readonly claim: FinaliseClaim;
  readonly run: RunRow;
  readonly source: Source;
  readonly query: SourceQuery;
}

type Step = SheafEvents['finalise.step']['step'];

/** Carries out a step of it, and tells how long that took. */
export async function timed<T>(
  { telemetry }: Pick<WorkContext, 'telemetry'>,
  { run: { id: run }, step }: { readonly run: Pick<RunRow, 'id'>; readonly step: Step },
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const result = await telemetry.span(step, { 'sheaf.run': run }, work);
  telemetry.emit('finalise.step', { run, step, durationMs: performance.now() - startedAt });
  return result;
}
