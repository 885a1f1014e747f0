import { startScheduleWorker } from '../producer/schedule-worker.ts';
import type { QueueWorker } from '../queues/queue-worker.ts';
import type { SheafContext } from './context.ts';
import { every } from './every.ts';
import { scheduleWork } from './schedules.ts';

const REPAIR_MS = 5_000;

/** A worker's part in carrying schedules out. */
export interface Scheduling {
  readonly queue: QueueWorker;
  stop(): Promise<void>;
}

/** Takes the jobs of schedules from the queue, and does without the queue, too: looks what is due every few seconds. */
export function startScheduling(
  context: SheafContext,
  workerId: number,
  onError: (error: unknown) => void,
): Scheduling {
  const worker = startScheduleWorker({ ...scheduleWork(context), workerId, onError });
  const looking = every(REPAIR_MS, () => worker.repair(), onError);
  return {
    queue: worker.queue,
    stop: async () => {
      await looking.stop();
      await worker.stop();
    },
  };
}
