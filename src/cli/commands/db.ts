import type { Command } from 'commander';
import { printData, say } from '../output.ts';
import { settingsHere, stopSignal, untilStopped, withContext } from '../session.ts';

export function addDb(program: Command): void {
  const db = program.command('db').summary('care for the database').description('Cares for the database.');
  db.command('migrate')
    .description('Brings the database (DATABASE_URL, or the embedded one) to the newest schema.')
    .addHelpText('after', '\nExample:\n  DATABASE_URL=postgres://sheaf@db.example/sheaf sheaf db migrate')
    .action(async () => {
      const { migrate } = await import('../../runtime/context.ts');
      const applied = await migrate({ settings: settingsHere(), onProgress: say });
      say(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.join(', ')}.`);
    });
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
