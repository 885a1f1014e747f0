import type { Command } from 'commander';
import type { SettingInForce } from '../../config/settings-in-force.ts';
import { printData, printJson, say } from '../output.ts';
import { table } from '../render/table.ts';

export function addConfig(program: Command): void {
  program
    .command('config')
    .summary('show the settings that are in force here')
    .description(
      'Shows every setting as a command started here would find it, and where it comes from: the environment, .env or its default. Secrets are not shown. Exit 2 when one is wrong.',
    )
    .option('--given', 'only those that are given')
    .option('--json', 'print them as JSON')
    .addHelpText('after', '\nExamples:\n  sheaf config\n  sheaf config --given')
    .action(async (flags: { given?: boolean; json?: boolean }) => {
      const { settingsInForce } = await import('../../config/settings-in-force.ts');
      const all = settingsInForce();
      const settings = flags.given ? all.filter(({ from }) => from !== 'default') : all;
      const problems = all.flatMap(({ problem }) => problem ?? []);
      if (flags.json) printJson(settings);
      else if (settings.length === 0) printData('No setting is given: the defaults hold. `sheaf config` shows them.');
      else
        printData(
          table(
            ['SETTING', 'FROM', 'VALUE'],
            settings.map((setting) => [setting.name, setting.from, shown(setting)]),
          ),
        );
      for (const problem of problems) say(`sheaf: ${problem}`);
      if (problems.length > 0) process.exitCode = 2;
    });
}

function shown({ value, isSecret, from, fallback }: SettingInForce): string {
  if (from === 'default') return fallback;
  return isSecret ? '(secret)' : (value ?? '');
}
