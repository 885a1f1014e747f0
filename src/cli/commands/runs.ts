import type { Command } from 'commander';
import { describeLimits } from '../../domain/describe-request.ts';
import { count, duration } from '../../domain/numbers.ts';
import type { RunRow } from '../../runtime/inspect.ts';
import { wholeNumber } from '../harvest-options.ts';
import { printData, printJson, say } from '../output.ts';
import { table } from '../render/table.ts';
import { withContext } from '../session.ts';

interface Flags {
  readonly dataset?: string;
  readonly limit: number;
  readonly json?: boolean;
}

export function addRuns(program: Command): void {
  program
    .command('runs')
    .summary('list the newest runs')
    .description('Lists runs, the newest first.')
    .option('--dataset <name>', 'only runs of this dataset')
    .option('--limit <n>', 'how many', wholeNumber(1, 1_000), 20)
    .option('--json', 'print their reports as a JSON array')
    .addHelpText('after', '\nExamples:\n  sheaf runs\n  sheaf runs --dataset oda/Sag --limit 5')
    .action(list);
}

async function list(flags: Flags): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const { recentRuns } = await import('../../runtime/inspect.ts');
    const { reportRun } = await import('../../runtime/report.ts');
    const runs = await recentRuns(context, { dataset: flags.dataset, limit: flags.limit });
    const reports = await Promise.all(runs.map((run) => reportRun(context.database, run.id)));
    if (flags.json) return printJson(reports);
    if (reports.length === 0)
      return say(`There are no runs${flags.dataset === undefined ? '' : ` of ${flags.dataset}`} yet.`);
    const rows = reports.map((each, position) => [
      each.run,
      each.dataset,
      each.kind,
      each.state,
      count(each.records),
      each.expected === null ? '?' : count(each.expected),
      count(each.rejected),
      count(each.inserted),
      count(each.updated),
      count(each.deleted),
      duration(each.durationMs),
      limitsOf(runs[position]),
    ]);
    const headings = [
      'RUN',
      'DATASET',
      'KIND',
      'STATE',
      'RECORDS',
      'EXPECTED',
      'REJECTED',
      'INSERTED',
      'UPDATED',
      'DELETED',
      'TIME',
      'ASKED FOR',
    ];
    printData(table(headings, rows, headings.slice(4, -1)));
  });
}

function limitsOf(run: RunRow | undefined): string {
  return (run && describeLimits(run.request)) || 'all';
}
