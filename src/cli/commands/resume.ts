import type { Command } from 'commander';
import { addRateOption, wholeNumber } from '../harvest-options.ts';
import { settingsHere, withContext } from '../session.ts';
import { workRuns } from '../work-runs.ts';

interface Flags {
  readonly concurrency?: number;
  readonly rate?: number;
  readonly json?: boolean;
}

/** `resume` and `retry`: both go on from the ledger; `retry` insists on a run that ended failed or partial. */
export function addResume(program: Command): void {
  addOptions(
    program
      .command('resume')
      .summary('go on with a run that was interrupted, paused, failed, or is partial')
      .description('Goes on with a run from where it stands: only what is missing is fetched.')
      .argument(
        '[run]',
        'a run id, the end of one, or "latest" (default: the newest that is not complete and that no later one has made up for)',
      ),
  )
    .addHelpText('after', '\nExamples:\n  sheaf resume\n  sheaf resume x7k2 --json')
    .action(async (reference: string | undefined, flags: Flags) => {
      process.exitCode = await goOn(reference, flags, 'resume');
    });
  addOptions(
    program
      .command('retry')
      .summary('fetch the failed slices of a run again')
      .description(
        'Repairs a run that ended failed or partial: fetches its failed slices again, and publishes a new generation.',
      )
      .argument('<run>', 'a run id, the end of one, or "latest"'),
  )
    .addHelpText('after', '\nExample:\n  sheaf retry x7k2')
    .action(async (reference: string, flags: Flags) => {
      process.exitCode = await goOn(reference, flags, 'retry');
    });
}

function addOptions(command: Command): Command {
  return addRateOption(command)
    .option(
      '--concurrency <n>',
      'pages asked for at once in this process (default: SHEAF_CONCURRENCY, or 8)',
      wholeNumber(1, 256),
    )
    .option('--json', 'print the report as JSON on stdout');
}

async function goOn(reference: string | undefined, flags: Flags, action: 'resume' | 'retry'): Promise<number> {
  const settings = await settingsHere();
  const concurrency = flags.concurrency ?? settings.SHEAF_CONCURRENCY;
  return withContext({ settings, rate: flags.rate, concurrency }, async (context) => {
    const { findRun, findRunToResume } = await import('../../runtime/inspect.ts');
    const { createRunActions } = await import('../../runtime/actions.ts');
    const { commandLineActor } = await import('../../runtime/audited.ts');
    const run = reference === undefined ? await findRunToResume(context) : await findRun(context, reference);
    await createRunActions(context)[action](run, commandLineActor());
    return workRuns(context, [run.id], { concurrency, json: flags.json ?? false, isMany: false });
  });
}
