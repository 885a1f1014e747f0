import type { Command } from 'commander';
import { describeSame } from '../../domain/describe-request.ts';
import { UsageError } from '../../domain/errors.ts';
import type { HarvestRequest } from '../../domain/harvest-request.ts';
import { exitCodeOf } from '../../domain/run.ts';
import type { SheafContext } from '../../runtime/context.ts';
import { addHarvestOptions, addRateOption, type HarvestFlags, toRequests, wholeNumber } from '../harvest-options.ts';
import { printData, printJson, say } from '../output.ts';
import { renderReport } from '../render/report.ts';
import { orSay, settingsHere, withContext } from '../session.ts';
import { sayTroubles, workRuns } from '../work-runs.ts';

interface Flags extends HarvestFlags {
  readonly concurrency?: number;
  readonly rate?: number;
  readonly detach?: boolean;
  readonly json?: boolean;
}

export function addHarvest(program: Command): void {
  const command = program
    .command('harvest')
    .summary('harvest datasets into PostgreSQL and files')
    .description(
      'Harvests datasets, proved complete, into the table sheaf.records and into files: all of each (a sweep), or what has changed in it (a step).',
    )
    .argument('<dataset...>', 'what to harvest, as source/entity, e.g. oda/Sag');
  addRateOption(addHarvestOptions(command))
    .option(
      '--concurrency <n>',
      'pages asked for at once in this process (default: SHEAF_CONCURRENCY, or 8)',
      wholeNumber(1, 256),
    )
    .option('--detach', 'plan and enqueue only: `sheaf worker` processes do the rest')
    .option('--json', 'print the report as JSON on stdout')
    .addHelpText('after', EXAMPLES)
    .action(async (datasets: string[], flags: Flags) => {
      process.exitCode = await harvest(datasets, flags);
    });
}

const EXAMPLES = `
Examples:
  sheaf harvest oda/Afstemning
  sheaf harvest oda/Sag oda/Aktør --format ndjson,json,csv --out exports
  sheaf harvest oda/Stemme --filter "typeid eq 2" --select id,afstemningid,aktørid
  sheaf harvest oda/Sag --expand SagAktør/Aktør,Sagstrin
  sheaf harvest oda/Dokument --max-records 1000 --json
  sheaf harvest oda/Sag --step
  sheaf harvest oda/Sag --since 2025-01-31T12:00:00
  sheaf harvest oda/Sag --keys-only

Exit codes: 0 complete, 1 failed, 2 bad usage or configuration, 3 partial, 4 cancelled; 130 after Ctrl-C.`;

/** Plans every dataset, then works them side by side. Returns the exit code. */
async function harvest(datasets: readonly string[], flags: Flags): Promise<number> {
  const settings = await settingsHere();
  const requests = toRequests(datasets, flags, settings);
  const concurrency = flags.concurrency ?? settings.SHEAF_CONCURRENCY;
  if (flags.detach && flags.rate !== undefined) {
    throw new UsageError('--rate holds for the process that works; with --detach, give it to `sheaf worker`.', {
      code: 'rate-without-work',
    });
  }
  const options = { settings, rate: flags.rate, concurrency: flags.detach ? 1 : concurrency };
  return withContext(options, async (context) => {
    const { checkRequests } = await import('../../runtime/harvest.ts');
    const { startRun } = await import('../../runtime/actions.ts');
    const { commandLineActor } = await import('../../runtime/audited.ts');
    const noteTo = sayTroubles(context); // planning asks the source, too
    const runs: string[] = [];
    const plan = async () => {
      await checkRequests(context, requests);
      for (const request of requests) runs.push(await startRun(context, { request, actor: commandLineActor() }));
    };
    await orSay(() => whatWasPlanned(runs), plan).catch((error: unknown) => {
      for (const run of runs) say(`Run ${run} was planned before this failed. Go on with: sheaf resume ${run}`);
      throw error;
    });
    await sayWhatBecameSweeps(context, runs, requests);
    const isMany = requests.length > 1;
    if (!flags.detach) return workRuns(context, runs, { concurrency, json: flags.json ?? false, isMany, noteTo });
    if (flags.json) printJson(isMany ? runs.map((run) => ({ run })) : { run: runs[0] });
    else for (const run of runs) printData(run);
    return sayEnqueued(context, runs);
  });
}

/** Of an interruption while runs are planned. One may have been planned in that very moment. */
function whatWasPlanned(runs: readonly string[]): string {
  if (runs.length === 0)
    return 'Interrupted while planning: nothing was fetched. Start anew; if a run was planned already, `sheaf runs` lists it and `sheaf resume` goes on with it.';
  return `Interrupted while planning. Go on with what was planned: ${runs.map((run) => `sheaf resume ${run}`).join(', ')}`;
}

/** A step goes on from where a complete run of the same has left off; whoever asks for the first should know what it costs. */
async function sayWhatBecameSweeps(
  context: SheafContext,
  runs: readonly string[],
  requests: readonly HarvestRequest[],
): Promise<void> {
  if (!requests.some(({ mode }) => mode === 'step')) return;
  const { findRun } = await import('../../runtime/inspect.ts');
  for (const id of runs) {
    const { request, timeWindow, dataset } = await findRun(context, id);
    if (request.mode !== 'step' || timeWindow !== null) continue;
    const leaves = request.maxRecords === null ? ', and leaves it' : '';
    say(
      `No complete run of ${dataset}${describeSame(request)} has left a watermark yet: this one is a sweep${leaves}.`,
    );
  }
}

/** A run whose fields have drifted may have ended at its planning already. */
async function sayEnqueued({ database }: SheafContext, runs: readonly string[]): Promise<number> {
  const { reportRun } = await import('../../runtime/report.ts');
  const reports = await Promise.all(runs.map((run) => reportRun(database, run)));
  const failed = reports.filter(({ state }) => state === 'failed');
  for (const report of failed) say(renderReport(report));
  if (failed.length < runs.length) say('Enqueued. `sheaf worker` works it; `sheaf status` shows how far it is.');
  return exitCodeOf(failed.map(({ state }) => state));
}
