import { setTimeout as sleep } from 'node:timers/promises';

/** How long the end of a repetition is waited for. */
const STOP_MS = 2_000;

export interface Repeated {
  /** Resolves when a repetition that is under way has ended, or waits for something that is away; none follows. */
  stop(): Promise<void>;
}

/** Repeats `work` at once and then `intervalMs` after each end of it. Errors are told, and do not end the repetition. */
export function every(intervalMs: number, work: () => Promise<void>, onError: (error: unknown) => void): Repeated {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let running: Promise<void>;
  const repeat = (): void => {
    running = work()
      .catch(onError)
      .then(() => {
        if (!isStopped) timer = setTimeout(repeat, intervalMs);
      });
  };
  repeat();
  return {
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await Promise.race([running, sleep(STOP_MS, undefined, { ref: false })]);
    },
  };
}
