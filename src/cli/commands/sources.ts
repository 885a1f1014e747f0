import type { Command } from 'commander';
import { printData, printJson } from '../output.ts';
import { table } from '../render/table.ts';
import { settingsHere } from '../session.ts';

export function addSources(program: Command): void {
  program
    .command('sources')
    .summary('list sources, or the entities and fields of one')
    .description('Lists the sources that Sheaf knows; with a name, what can be harvested from it.')
    .argument('[name]', 'a source (oda), or a dataset (oda/Sag)')
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExamples:\n  sheaf sources\n  sheaf sources oda\n  sheaf sources oda/Sag')
    .action(async (name: string | undefined, flags: { json?: boolean }) => {
      const { describeSources, describeEntities, describeEntity } = await import('../../runtime/catalogue.ts');
      const settings = await settingsHere();
      if (name === undefined)
        return show(flags.json, await describeSources(settings), ['name', 'title', 'baseUrl', 'requestsPerSecond']);
      if (name.includes('/'))
        return show(flags.json, await describeEntity(settings, name), ['name', 'type', 'isNullable', 'role']);
      return show(flags.json, await describeEntities(settings, name), [
        'dataset',
        'key',
        'timestamp',
        'fields',
        'relations',
      ]);
    });
}

function show(
  json: boolean | undefined,
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: readonly string[],
): void {
  const cells = rows.map((row) => columns.map((column) => text(row[column])));
  if (json) printJson(rows);
  else printData(table(columns.map(heading), cells));
}

function heading(column: string): string {
  return column.replaceAll(/([A-Z])/g, ' $1').toUpperCase();
}

function text(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return Array.isArray(value) ? String(value.length) : String(value);
}
