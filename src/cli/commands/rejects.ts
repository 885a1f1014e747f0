import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { bytes, plural } from '../../domain/numbers.ts';
import type { ReplayReport } from '../../domain/replay-report.ts';
import type { RejectFormat } from '../../runtime/export-rejects.ts';
import { wholeNumber } from '../harvest-options.ts';
import { printChunks, printData, printJson, say } from '../output.ts';
import { renderRejects, renderReplay } from '../render/rejects.ts';
import { withContext } from '../session.ts';

interface Flags {
  readonly reason?: string;
  readonly json?: boolean;
}

export function addRejects(program: Command): void {
  const rejects = program
    .command('rejects')
    .summary('list, export or replay records that could not be taken')
    .description('Shows the records that could not be taken, and takes them anew after a fix.');
  addTarget(rejects.command('list'), 'Lists rejects, the newest first, and counts them by reason.')
    .option('--limit <n>', 'how many', wholeNumber(1, 10_000), 20)
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf rejects list\n  sheaf rejects list oda/Sag --reason not-storable --limit 5',
    )
    .action(list);
  addTarget(
    rejects.command('export'),
    'Writes rejects with their records, as the source sent them, to stdout or a file.',
  )
    .addOption(new Option('--format <format>', 'how to write them').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--out <file>', 'the file to write, whole or not at all (default: stdout)')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf rejects export x7k2 > rejects.ndjson\n  sheaf rejects export oda/Sag --format csv --out rejects.csv',
    )
    .action(write);
  addTarget(
    rejects.command('replay'),
    'Takes rejects anew with this version of Sheaf. Exit 3 when some still cannot be taken.',
  )
    .option('--dry-run', 'say what would come of it, and write nothing')
    .option('--json', 'print what came of it as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf rejects replay --dry-run\n  sheaf rejects replay oda/Sag --reason bad-key',
    )
    .action(replay);
}

function addTarget(command: Command, description: string): Command {
  return command
    .description(description)
    .argument(
      '[run-or-dataset]',
      'a run id, the end of one, "latest", or source/entity (default: the newest run that has any)',
    )
    .option('--reason <reason>', 'only rejects with this reason');
}

async function list(reference: string | undefined, flags: Flags & { readonly limit: number }): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const { findRejects, listRejectsOf } = await import('../../runtime/rejects.ts');
    const target = await findRejects(context, reference);
    const found = await listRejectsOf(context, target, { reason: flags.reason ?? null, limit: flags.limit });
    if (flags.json) printJson(found);
    else if (found.total === 0) say(none(target.name, flags.reason));
    else printData(renderRejects(found));
  });
}

function none(name: string | null, reason: string | undefined): string {
  return `There are no rejects${name === null ? '' : ` of ${name}`}${reason === undefined ? '' : ` with the reason ${reason}`}.`;
}

type ExportFlags = Flags & { readonly format: RejectFormat; readonly out?: string };

async function write(reference: string | undefined, flags: ExportFlags): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const { findRejects } = await import('../../runtime/rejects.ts');
    const { exportRejects, writeChunks } = await import('../../runtime/export-rejects.ts');
    const target = await findRejects(context, reference);
    const chunks = exportRejects(context, target, { reason: flags.reason ?? null, format: flags.format });
    if (flags.out === undefined) return printChunks(chunks);
    const path = resolve(flags.out);
    const size = await writeChunks(path, chunks);
    printData(path);
    say(`  ${bytes(size)}`);
  });
}

async function replay(reference: string | undefined, flags: Flags & { readonly dryRun?: boolean }): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const { findRejects } = await import('../../runtime/rejects.ts');
    const { replayAs } = await import('../../runtime/actions.ts');
    const { commandLineActor } = await import('../../runtime/audited.ts');
    const target = await findRejects(context, reference);
    const options = { reason: flags.reason ?? null, isDryRun: flags.dryRun ?? false };
    const report = await replayAs(context, commandLineActor(), { target, options });
    if (flags.json) printJson(report);
    else printData(renderReplay(report));
    saySkipped(report);
    if (report.rejected > 0) process.exitCode = 3;
  });
}

function saySkipped({ skipped }: ReplayReport): void {
  for (const { run, rejects, reason } of skipped) say(`left ${plural(rejects, 'reject')} alone: run ${run} ${reason}`);
}
