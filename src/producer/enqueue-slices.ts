import type { Database } from '../db/database.ts';
import { pendingSlices } from '../db/queries/slices.ts';
import type { Queues } from '../queues/queues.ts';

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
