import { setTimeout as sleep } from 'node:timers/promises';

/** Holds the process open, unless `ref` says no; ends early, without an error, when the signal is raised. */
export async function pause(ms: number, options?: { ref?: boolean; signal?: AbortSignal }): Promise<void> {
  await sleep(ms, undefined, options).catch((error: unknown) => {
    if (options?.signal?.aborted !== true) throw error;
  });
}
