import type { Command } from 'commander';
import { duration } from '../../domain/numbers.ts';
import { wholeNumber } from '../harvest-options.ts';
import { printData, say } from '../output.ts';
import { settingsHere, withContext } from '../session.ts';
import { workRuns } from '../work-runs.ts';

const DATASETS = ['oda/Afstemning', 'oda/Sag', 'oda/Aktør', 'oda/Stemme'] as const;
const DEFAULT_PERCENT = 2;

export function addDemo(program: Command): void {
  program
    .command('demo')
    .summary('harvest an imitation of the Danish Parliament, with nothing to set up')
    .description(
      "Starts an imitation of the Danish Parliament's API on this machine and harvests several datasets from it, into a PostgreSQL and files of its own.",
    )
    .option('--percent <n>', 'how much of the real volume the imitation holds', wholeNumber(1, 100), DEFAULT_PERCENT)
    .addHelpText('after', '\nExamples:\n  sheaf demo\n  sheaf demo --percent 10')
    .action(async ({ percent }: { percent: number }) => {
      process.exitCode = await demo(percent);
    });
}

/** The demo keeps to itself: its own database and folder, so that imitated records never mix with real ones. */
async function demo(percent: number): Promise<number> {
  const startedAt = performance.now();
  const { startDemo } = await import('../../runtime/demo.ts');
  const { settings, homeSetting, outSetting, stop } = await startDemo(await settingsHere(), percent, say);
  try {
    return await withContext({ settings, concurrency: settings.SHEAF_CONCURRENCY }, async (context) => {
      const { launchDemoRuns } = await import('../../runtime/demo.ts');
      const runs = await launchDemoRuns(context, DATASETS);
      const exitCode = await workRuns(context, runs, {
        concurrency: settings.SHEAF_CONCURRENCY,
        json: false,
        isMany: true,
      });
      if (exitCode === 0) sayWhatNext({ home: homeSetting, out: outSetting, tookMs: performance.now() - startedAt });
      return exitCode;
    });
  } finally {
    await stop();
  }
}

function sayWhatNext({ home, out, tookMs }: { home: string; out: string; tookMs: number }): void {
  printData(`
Done in ${duration(tookMs)}. Every record is in PostgreSQL and in files, and the copy was proved complete.

  files   ${out}/oda-Sag/<run>/
  tables  sheaf.records, and typed views such as oda."Sag", in the PostgreSQL under ${home}

Look at it:
  SHEAF_HOME=${home} npx sheaf runs
  SHEAF_HOME=${home} npx sheaf export oda/Sag --format csv --out ${out}
  SHEAF_HOME=${home} npx sheaf db open        keeps PostgreSQL open, and prints its URL for psql

Harvest the real thing, at 5 requests a second:
  npx sheaf plan oda/Afstemning
  npx sheaf harvest oda/Afstemning`);
}
