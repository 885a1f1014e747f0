import type { RunRow } from '../db/schema.ts';
import type { Actor } from '../domain/actor.ts';
import { datasetName } from '../domain/dataset.ts';
import type { HarvestRequest } from '../domain/harvest-request.ts';
import type { ReplayReport } from '../domain/replay-report.ts';
import type { RunActions } from '../server/server-context.ts';
import { audited } from './audited.ts';
import type { SheafContext } from './context.ts';
import { cancel, checkRequests, launchRun, pause, resumeRun, retryRun } from './harvest.ts';
import type { RejectTarget } from './rejects.ts';
import { type ReplayOptions, replayRejects } from './replay-rejects.ts';

type Steering = 'cancel' | 'pause' | 'resume' | 'retry';

const steer: Readonly<Record<Steering, (context: SheafContext, run: RunRow) => Promise<void>>> = {
  cancel,
  pause,
  resume: resumeRun,
  retry: retryRun,
};

/** What people change runs by, whether they sit at the command line, at a page, or at the API. */
export function createRunActions(context: SheafContext): RunActions {
  const change = (action: Steering) => (run: RunRow, actor: Actor) => {
    const target = { kind: 'run', id: run.id } as const;
    const details = { dataset: run.dataset };
    return audited(context.database, { actor, action, target, details }, { work: () => steer[action](context, run) });
  };
  return {
    start: (request, actor, id) => startRun(context, { request, actor, id }),
    cancel: change('cancel'),
    pause: change('pause'),
    resume: change('resume'),
    retry: change('retry'),
  };
}

export interface RunStart {
  readonly request: HarvestRequest;
  readonly actor: Actor;
  /** The run's id, where it was chosen beforehand. */
  readonly id?: string | undefined;
}

/** Checks a request, plans the run and hands it to the fleet. Returns its id. */
export async function startRun(context: SheafContext, { request, actor, id }: RunStart): Promise<string> {
  const dataset = datasetName(request.dataset);
  const { filter, select, maxRecords } = request;
  const details = { dataset, filter, select, maxRecords };
  const work = async () => {
    await checkRequests(context, [request]);
    return launchRun(context, request, id);
  };
  return audited(
    context.database,
    { actor, action: 'start', target: { kind: 'dataset', id: dataset }, details },
    { work, targetOf: (run) => ({ kind: 'run', id: run }) },
  );
}

/** Takes rejects anew, and notes who did it; what would only come of it is not noted. */
export async function replayAs(
  context: SheafContext,
  actor: Actor,
  { target, options }: { readonly target: RejectTarget; readonly options: ReplayOptions },
): Promise<ReplayReport> {
  const work = () => replayRejects(context, target, options);
  if (options.isDryRun || target.name === null) return work();
  const of = { kind: target.isDataset ? 'dataset' : 'run', id: target.name } as const;
  return audited(
    context.database,
    { actor, action: 'replay', target: of, details: { reason: options.reason } },
    { work },
  );
}
