import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { datasetName, parseDataset } from '../../domain/dataset.ts';
import { UsageError } from '../../domain/errors.ts';
import { type ExportFormat, type Shape, shapes } from '../../domain/harvest-request.ts';
import { parsePastMoment } from '../../domain/moment.ts';
import { bytes, plural } from '../../domain/numbers.ts';
import { formatOption } from '../harvest-options.ts';
import { printData, printJson, say } from '../output.ts';
import { settingsHere, withContext } from '../session.ts';

interface Flags {
  readonly format: readonly ExportFormat[];
  readonly shape: Shape;
  readonly out?: string;
  readonly asOf?: string;
  readonly json?: boolean;
}

export function addExport(program: Command): void {
  program
    .command('export')
    .summary('write the current records of a dataset to files')
    .description('Writes what the table holds of a dataset now to files; the source is not asked.')
    .argument('<dataset>', 'source/entity')
    .addOption(formatOption('files to write: ndjson, json, csv'))
    .addOption(
      new Option('--shape <shape>', "the source's own fields, or Sheaf's common ones")
        .choices(shapes)
        .default('source'),
    )
    .option('--out <dir>', 'the folder to write below (default: SHEAF_OUT, or out)')
    .option('--as-of <moment>', 'the records as they were: 2026-11-21, 2026-11-21T14:30 (UTC), or 2d for two days ago')
    .option('--json', 'print what was written as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf export oda/Sag --format csv\n  sheaf export oda/Aktør --shape canonical --out exports\n  sheaf export oda/Sag --as-of 2026-11-01',
    )
    .action(write);
}

async function write(dataset: string, flags: Flags): Promise<void> {
  if (flags.format.length === 0)
    throw new UsageError('--format none asks for no file: name ndjson, json or csv.', { code: 'nothing-to-keep' });
  const settings = await settingsHere();
  const name = datasetName(parseDataset(dataset));
  const asOf = flags.asOf === undefined ? null : parsePastMoment(flags.asOf, new Date());
  await withContext({ settings, usesQueues: false }, async (context) => {
    const { exportDataset } = await import('../../runtime/export-dataset.ts');
    const { format: formats, shape } = flags;
    const files = await exportDataset(context, {
      dataset: name,
      formats,
      shape,
      out: resolve(flags.out ?? settings.SHEAF_OUT),
      asOf,
    });
    if (flags.json) return printJson({ dataset: name, exports: files });
    for (const file of files) {
      printData(file.path);
      say(`  ${plural(file.records, 'record')}, ${bytes(file.bytes)}`);
    }
  });
}
