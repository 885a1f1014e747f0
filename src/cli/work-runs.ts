import type { RunReport } from '../domain/report.ts';
import { exitCodeOf, hasEnded } from '../domain/run.ts';
import type { SheafContext } from '../runtime/context.ts';
import type { RunProgress } from '../runtime/harvest.ts';
import { printJson, say } from './output.ts';
import { createProgressView } from './render/progress.ts';
import { renderReport } from './render/report.ts';
import { noteTroubles } from './render/troubles.ts';
import { orLost, stopSignal } from './session.ts';

/** How often runs are looked at while they are worked: each look costs the database two questions. */
const LOOK_MS = 1_000;
/** A line that is redrawn in place is to move. */
const TERMINAL_LOOK_MS = 250;

export interface WorkRunsOptions {
  readonly concurrency: number;
  readonly json: boolean;
  /** Print an array even when there is one run only. */
  readonly isMany: boolean;
  /** Whoever asked says itself what came of the runs. */
  readonly isSilent?: boolean;
  /** Where troubles are told already: how to have them told to another. */
  readonly noteTo?: ReturnType<typeof sayTroubles>;
}

/**
 * Works runs in this process until they have ended, or until it is told to stop; shows progress, prints the reports.
 * Returns the exit code: that of the runs, or 130 / 143 when a signal came first.
 */
export async function workRuns(
  context: SheafContext,
  runs: readonly string[],
  options: WorkRunsOptions,
): Promise<number> {
  const [{ startWorker }, { watchRuns }] = await Promise.all([
    import('../runtime/worker.ts'),
    import('../runtime/harvest.ts'),
  ]);
  const signal = stopSignal();
  await sayWhatElseIsOpen(context, runs);
  const worker = await startWorker(context, options.concurrency, { isPassing: true });
  const view = createProgressView(process.stderr);
  const noteTo = options.noteTo ?? sayTroubles(context);
  noteTo((text) => view.note(text));
  try {
    const notePauses = createPauseNotes((text) => view.note(text));
    const onProgress = (progress: readonly RunProgress[]) => {
      notePauses(progress);
      view.show(progress);
    };
    const lookMs = process.stderr.isTTY ? TERMINAL_LOOK_MS : LOOK_MS;
    const watching = watchRuns(context, runs, { signal, onProgress, lookMs, ends: worker.ends });
    await orLost(worker, watching);
    await orLost(worker, worker.told(signal)); // there may be nobody else to tell of these ends
  } finally {
    view.end();
    await worker.stop();
  }
  const reports = await reportAll(context, runs);
  if (!options.isSilent) printReports(reports, options);
  const open = reports.filter((report) => !hasEnded(report.state));
  if (open.length === 0) return exitCodeOf(reports.map((report) => report.state));
  for (const report of open) say(`${report.dataset} is not finished. Go on with: sheaf resume ${report.run}`);
  return signal.reason === 'SIGTERM' ? 143 : 130;
}

/** Says what goes wrong, until it is given another to tell. Where a log level is set, the log does so, as JSON. */
export function sayTroubles(context: SheafContext): (note: (text: string) => void) => void {
  return context.settings.SHEAF_LOG_LEVEL === undefined ? noteTroubles(context, say) : () => undefined;
}

/** Says, once each time, that somebody has paused a run that is waited for. */
function createPauseNotes(note: (text: string) => void): (progress: readonly RunProgress[]) => void {
  const paused = new Set<string>();
  return (progress) => {
    for (const { run, state } of progress) {
      if (state !== 'paused') paused.delete(run);
      else if (!paused.has(run)) {
        paused.add(run);
        note(
          `run ${run} was paused; waiting. \`sheaf resume ${run}\` goes on, from any terminal; Ctrl-C leaves it paused`,
        );
      }
    }
  };
}

/** A worker works whatever is in the queue: the runs that somebody left unfinished, too. */
async function sayWhatElseIsOpen(context: SheafContext, runs: readonly string[]): Promise<void> {
  const { openRuns } = await import('../runtime/inspect.ts');
  for (const run of await openRuns(context)) {
    if (runs.includes(run.id)) continue;
    say(
      `Also going on with run ${run.id} of ${run.dataset}, which is not finished; \`sheaf cancel ${run.id}\` ends it.`,
    );
  }
}

/** Prints what is to be said of runs: as JSON on stdout, or for people on stderr. */
function printReports(reports: readonly RunReport[], { json, isMany }: Pick<WorkRunsOptions, 'json' | 'isMany'>): void {
  if (json) printJson(isMany ? reports : reports[0]);
  else for (const report of reports) say(`\n${renderReport(report)}`);
}

async function reportAll({ database }: SheafContext, runs: readonly string[]): Promise<RunReport[]> {
  const { reportRun } = await import('../runtime/report.ts');
  return Promise.all(runs.map((run) => reportRun(database, run)));
}
