import type { RunActions } from '../server/server-context.ts';
import type { SheafContext } from './context.ts';
import { cancel, checkRequests, launchRun, pause, resumeRun, retryRun } from './harvest.ts';

/** What people change runs by, whether they sit at the command line, at a page, or at the API. */
export function createRunActions(context: SheafContext): RunActions {
  return {
    start: async (request) => {
      await checkRequests(context, [request]);
      return launchRun(context, request);
    },
    cancel: (run) => cancel(context, run),
    pause: (run) => pause(context, run),
    resume: (run) => resumeRun(context, run),
    retry: (run) => retryRun(context, run),
  };
}
