import type { Database } from '../db/database.ts';
import { pendingSlices } from '../db/queries/slices.ts';
import type { Queues } from '../queues/queues.ts';

/**
 * Hands every slice of a run that waits for a worker to the queue. Safe to repeat: a job that is there already stays,
 * and one that is out of date claims nothing.
 */
export async function enqueueSlices(context: { readonly database: Database; readonly queues: Queues }, run: string): Promise<number> {
  const slices = await pendingSlices(context.database, run);
  await context.queues.add('sheaf-slices', slices);
  return slices.length;
}
