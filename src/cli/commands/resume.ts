import type { Command } from 'commander';
import { addRateOption, wholeNumber } from '../harvest-options.ts';
import { settingsHere, withContext } from '../session.ts';
import { workRuns } from '../work-runs.ts';

interface Flags {
  readonly concurrency?: number;
  readonly rate?: number;
  readonly json?: boolean;
}

export function addResume(program: Command): void {
  const command = program
    .command('resume')
    .summary('go on with a run that was interrupted, failed, or is partial')
    .description('Goes on with a run from where it stands: only what is missing is fetched.')
    .argument('[run]', 'a run id, the end of one, or "latest"', 'latest');
  addRateOption(command)
    .option(
      '--concurrency <n>',
      'slices at once in this process (default: SHEAF_CONCURRENCY, or 8)',
      wholeNumber(1, 256),
    )
    .option('--json', 'print the report as JSON on stdout')
    .addHelpText('after', '\nExamples:\n  sheaf resume\n  sheaf resume x7k2 --json')
    .action(async (reference: string, flags: Flags) => {
      process.exitCode = await resume(reference, flags);
    });
}

async function resume(reference: string, flags: Flags): Promise<number> {
  const settings = settingsHere();
  const concurrency = flags.concurrency ?? settings.SHEAF_CONCURRENCY;
  return withContext({ settings, rate: flags.rate, concurrency }, async (context) => {
    const { findRun } = await import('../../runtime/inspect.ts');
    const { resumeRun } = await import('../../runtime/harvest.ts');
    const run = await findRun(context, reference);
    await resumeRun(context, run);
    return workRuns(context, [run.id], { concurrency, json: flags.json ?? false, isMany: false });
  });
}
