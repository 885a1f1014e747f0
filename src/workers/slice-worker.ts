import type { Claim } from '../db/queries/slices.ts';
import type { Payload } from '../queues/queue-table.ts';
import type { QueueWorker } from '../queues/queues.ts';
import { runSlice } from './run-slice.ts';
import { settleSlice } from './settle.ts';
import type { WorkContext } from './work-context.ts';

export interface SliceWorker {
  /** The slices that this process works on right now. */
  held(): readonly Claim[];
  ready(): Promise<void>;
  /** Hands back what is under way at the next page, and resolves when all of it is settled. Costs no attempt. */
  stop(): Promise<void>;
}

/** Takes slices from the queue, `concurrency` at once. */
export function startSliceWorker(context: WorkContext, concurrency: number): SliceWorker {
  const stopping = new AbortController();
  const held = new Map<string, Claim>();

  const process = async (job: Payload<'sheaf-slices'>): Promise<string> => {
    const name = `${job.run} ${job.slice}`;
    held.set(name, job);
    try {
      return await settleSlice(context, await runSlice(context, job, stopping.signal));
    } finally {
      held.delete(name);
    }
  };

  const worker: QueueWorker = context.queues.work('sheaf-slices', process, { concurrency });
  return {
    held: () => [...held.values()],
    ready: () => worker.ready(),
    stop: async () => {
      stopping.abort(new Error('the worker is stopping'));
      await worker.close();
    },
  };
}
