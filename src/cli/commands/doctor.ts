import type { Command } from 'commander';
import { printData, printJson } from '../output.ts';
import { settingsHere } from '../session.ts';

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('check that everything Sheaf needs is there')
    .description(
      'Checks Node, the settings, the database, the queues, the export folder and the sources. Exit 1 if something is wrong.',
    )
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', '\nExample:\n  sheaf doctor')
    .action(async (flags: { json?: boolean }) => {
      const { examine } = await import('../../runtime/doctor.ts');
      const findings = await examine(await settingsHere());
      if (flags.json) printJson(findings);
      else
        for (const { what, isFine, detail } of findings)
          printData(`${isFine ? 'ok  ' : 'BAD '} ${what.padEnd(10)} ${detail}`);
      if (findings.some((finding) => !finding.isFine)) process.exitCode = 1;
    });
}
