import type { Claim } from '../db/queries/slices.ts';
import type { Payload } from '../queues/queue-table.ts';
import type { QueueWorker } from '../queues/queue-worker.ts';
import type { Telemetry } from '../telemetry/events.ts';
import type { Span } from '../telemetry/tracer.ts';
import { createCompany } from './company.ts';
import { createIdleSlots } from './idle-slots.ts';
import { runSlice } from './run-slice.ts';
import { settleSlice } from './settle.ts';
import type { WorkContext } from './work-context.ts';

export interface SliceWorker {
  /** Whether this process works on that slice right now. */
  isHeld(run: string, slice: number): boolean;
  /** Hands back this run's slices at once: it no longer fetches. */
  stopRun(run: string): void;
  /** The part that takes jobs from the queue. */
  readonly queue: QueueWorker;
  /** Hands back what is under way at the next page, and resolves when all of it is settled. Costs no attempt. */
  stop(): Promise<void>;
}

interface Held {
  readonly claim: Claim;
  readonly stop: AbortController;
}

/**
 * Slices at hand beyond the requests that may be under way, for each of these. While a page is read, or a slice ends and
 * the next is claimed, they ask for their pages: no time is lost between an answer and the next request.
 */
const AHEAD = 0.5;

/** Takes slices from the queue, enough to have `concurrency` requests under way all the time; the gates see to it that there are no more. */
export function startSliceWorker(context: WorkContext, concurrency: number): SliceWorker {
  const stopping = new AbortController();
  const held = new Set<Held>(); // by job: two jobs of one slice must not forget each other's
  const company = createCompany();
  const atOnce = Math.ceil(concurrency * (1 + AHEAD));
  const idle = createIdleSlots(atOnce);

  const process = async (job: Payload<'sheaf-slices'>): Promise<string> => {
    const stop = new AbortController();
    const holding = { claim: job, stop };
    held.add(holding);
    const endWork = idle.take();
    let leave = await company.joinOthers();
    const beAlone = async () => {
      leave();
      leave = await company.beAlone();
    };
    try {
      const options = { stop: AbortSignal.any([stopping.signal, stop.signal]), beAlone, idle };
      return await traced(context.telemetry, job, async (span) => {
        const attempt = await runSlice(context, job, options);
        span.set({ 'sheaf.outcome': attempt.outcome.kind });
        return settleSlice(context, attempt);
      });
    } finally {
      held.delete(holding);
      endWork();
      leave();
    }
  };

  const worker: QueueWorker = context.queues.work('sheaf-slices', process, { concurrency: atOnce });
  return {
    isHeld: (run, slice) => [...held].some(({ claim }) => claim.run === run && claim.slice === slice),
    stopRun: (run) => {
      for (const { claim, stop } of held) if (claim.run === run) stop.abort(new Error('the run no longer fetches'));
    },
    queue: worker,
    stop: async () => {
      stopping.abort(new Error('the worker is stopping'));
      await worker.close();
    },
  };
}

/** What is done for a slice belongs to its run's trace, and its events say so. */
function traced(
  { within, span }: Telemetry,
  { run, slice, attempt }: Payload<'sheaf-slices'>,
  work: (span: Span) => Promise<string>,
): Promise<string> {
  const attributes = { 'sheaf.run': run, 'sheaf.slice': slice, 'sheaf.attempt': attempt };
  return within({ run, slice }, () => span('slice', attributes, work));
}
