import type { QueueWorker } from '../queues/queue-worker.ts';
import { finaliseRun } from './finalise-run.ts';
import type { WorkContext } from './work-context.ts';

export interface FinaliseWorker {
  /** Whether this process finalises that run right now. */
  isHeld(run: string): boolean;
  /** The part that takes jobs from the queue. */
  readonly queue: QueueWorker;
  /** Resolves when a finalisation that is under way has ended. */
  stop(): Promise<void>;
}

/** Takes finalisations from the queue. Two at once, so that a large run does not hold up a small one. */
export function startFinaliseWorker(context: WorkContext): FinaliseWorker {
  const { telemetry } = context;
  const held = new Set<string>();
  const process = async (job: { run: string; generation: number }): Promise<string> => {
    if (held.has(job.run)) return 'this worker is at it';
    held.add(job.run);
    try {
      const { run, generation } = job;
      const attributes = { 'sheaf.run': run, 'sheaf.generation': generation };
      return await telemetry.within({ run }, () =>
        telemetry.span('finalise', attributes, () => finaliseRun(context, job)),
      );
    } finally {
      held.delete(job.run);
    }
  };
  const worker = context.queues.work('sheaf-finalise', process, { concurrency: 2 });
  return { isHeld: (run) => held.has(run), queue: worker, stop: () => worker.close() };
}
