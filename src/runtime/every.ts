export interface Repeated {
  /** Resolves when a repetition that is under way has ended; none follows. */
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
      await running;
    },
  };
}
