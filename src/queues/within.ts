import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for `work`, for so long at most; then `onLate` is called and this resolves. */
export async function within(ms: number, work: Promise<void>, onLate: () => void): Promise<void> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(onLate, () => undefined);
  await Promise.race([work.finally(() => timer.abort()), late]);
}

/**
 * How long a queue, or a worker without a job, may take to close. BullMQ's loop can wait for ever for a connection that
 * was lost at the wrong moment; nothing of ours depends on its end.
 */
export const CLOSE_MS = 3_000;
