import type { Database } from '../db/database.ts';
import { pendingSlices } from '../db/queries/slices.ts';
import { TransientError, toStoredError } from '../domain/errors.ts';
import type { Queues } from '../queues/queues.ts';
import { within } from '../queues/within.ts';
import type { Telemetry } from '../telemetry/events.ts';

/**
 * Hands every slice of a run that waits for a worker to the queue. `round` is 0 right after planning, and the time for
 * a repair (see queue-table.ts). Safe to repeat: a job that is out of date claims nothing.
 */
export async function enqueueSlices(
  context: { readonly database: Database; readonly queues: Queues },
  run: string,
  round: number,
): Promise<void> {
  const slices = await pendingSlices(context.database, run);
  await context.queues.add(
    'sheaf-slices',
    slices.map((slice) => ({ ...slice, round })),
  );
}

/** How long whoever starts a run waits for the queue. */
const PATIENCE_MS = 2_000;

/**
 * Hands on a run that is sealed, by `work`, which adds jobs of it. The run exists, whatever becomes of that: trouble is
 * told and not thrown, a queue that is away is not waited for, and what it has not taken the reconciler adds.
 */
export async function handOn({ telemetry }: { readonly telemetry: Telemetry }, work: Promise<void>): Promise<void> {
  const tell = (error: unknown) =>
    telemetry.emit('connection.trouble', { store: 'queue', error: toStoredError(error) });
  const late = () =>
    tell(new TransientError('the queue has not taken the jobs of a new run in time; they follow', { code: 'timeout' }));
  await within(PATIENCE_MS, work, late).catch(tell);
}
