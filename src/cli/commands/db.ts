import type { Command } from 'commander';
import { printData, printJson, say } from '../output.ts';
import { renderStats } from '../render/stats.ts';
import { settingsHere, stopSignal, untilStopped, withContext } from '../session.ts';

export function addDb(program: Command): void {
  const db = program.command('db').summary('care for the database').description('Cares for the database.');
  db.command('migrate')
    .description('Brings the database (DATABASE_URL, or the embedded one) to the newest schema.')
    .addHelpText('after', '\nExample:\n  DATABASE_URL=postgres://sheaf@db.example/sheaf sheaf db migrate')
    .action(async () => {
      const { migrate } = await import('../../runtime/context.ts');
      const applied = await migrate({ settings: await settingsHere(), onProgress: say });
      say(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.join(', ')}.`);
    });
  db.command('stats')
    .description(
      'Shows what the database holds, and the room that it takes. Records that are marked as deleted are counted by themselves.',
    )
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExample:\n  sheaf db stats')
    .action(({ json }: { json?: boolean }) =>
      withContext({ usesQueues: false }, async (context) => {
        const { describeDatabase } = await import('../../runtime/care.ts');
        const stats = await describeDatabase(context);
        if (json) printJson(stats);
        else printData(renderStats(stats));
      }),
    );
  db.command('maintain')
    .description(
      'Makes the coming months of the change log, and drops those older than SHEAF_CHANGES_MONTHS. Workers do this every hour.',
    )
    .option('--json', 'print what was done as JSON')
    .addHelpText('after', '\nExample:\n  sheaf db maintain')
    .action(({ json }: { json?: boolean }) =>
      withContext({ usesQueues: false }, async (context) => {
        const { maintain } = await import('../../runtime/care.ts');
        const done = await maintain(context);
        if (json) return printJson(done);
        if (done.dropped.length > 0) say(`Dropped ${done.dropped.join(', ')}.`);
        else if (done.held === null && done.postponed === null)
          say('No month of the change log was old enough to be dropped.');
        if (done.postponed !== null) say(`Did not drop ${done.postponed} while a merge is under way; try again later.`);
        if (done.held !== null)
          say(`Kept ${done.held} and what follows: \`sheaf feed list\` shows who has not had it.`);
        for (const { subscription, dataset } of done.gaps)
          say(`${subscription} will never have all of ${dataset}: it was away for too long. See: sheaf feed list`);
        say(`Changes are known from ${done.changesFrom} on.`);
      }),
    );
  db.command('open')
    .description('Keeps the database open until Ctrl-C, and prints its URL: for psql, or any other client.')
    .addHelpText('after', '\nExample:\n  sheaf db open        # then, in another terminal: psql <the URL>')
    .action(async () => {
      const signal = stopSignal();
      await withContext({ usesQueues: false }, async ({ database }) => {
        printData(database.url);
        say('The database stays open until Ctrl-C. The URL holds its password.');
        await untilStopped(signal);
      });
    });
}
