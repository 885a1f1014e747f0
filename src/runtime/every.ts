import { setTimeout as sleep } from 'node:timers/promises';

/** How long the end of a repetition is waited for. */
const STOP_MS = 2_000;

export interface Repeated {
  /** Resolves when a repetition that is under way has ended, or waits for something that is away; none follows. */
  stop(): Promise<void>;
}

/** What is told of the errors of a repetition, and when its first time is. */
export interface Tending {
  readonly firstAfterMs?: number | undefined;
  onError(error: unknown): void;
}

export interface Rhythm {
  readonly intervalMs: number;
  /** When the first time is; at once when left out. */
  readonly firstAfterMs?: number | undefined;
}

/** Repeats `work` at once and then `intervalMs` after each end of it. Errors are told, and do not end the repetition. */
export function every(rhythm: number | Rhythm, work: () => Promise<void>, onError: (error: unknown) => void): Repeated {
  const { intervalMs, firstAfterMs } = typeof rhythm === 'number' ? { intervalMs: rhythm, firstAfterMs: 0 } : rhythm;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let running: Promise<void> = Promise.resolve();
  const repeat = (): void => {
    running = work()
      .catch(onError)
      .then(() => {
        if (!isStopped) timer = setTimeout(repeat, intervalMs);
      });
  };
  if (firstAfterMs) timer = setTimeout(repeat, firstAfterMs);
  else repeat();
  return {
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await Promise.race([running, sleep(STOP_MS, undefined, { ref: false })]);
    },
  };
}
