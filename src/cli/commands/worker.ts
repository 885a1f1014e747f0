import type { Command } from 'commander';
import { addRateOption, wholeNumber } from '../harvest-options.ts';
import { say } from '../output.ts';
import { settingsHere, stopSignal, untilStopped, withContext } from '../session.ts';

interface Flags {
  readonly concurrency?: number;
  readonly rate?: number;
}

export function addWorker(program: Command): void {
  const command = program
    .command('worker')
    .summary('join the fleet: work slices until told to stop')
    .description(
      'Works the slices of all runs until it is told to stop. Start as many as you like, on any machines that share the database (and Redis).',
    );
  addRateOption(command)
    .option(
      '--concurrency <n>',
      'slices at once in this process (default: SHEAF_CONCURRENCY, or 8)',
      wholeNumber(1, 256),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf worker\n  sheaf worker --concurrency 16\n\nCtrl-C, or SIGTERM, hands back what is under way; nothing is lost.',
    )
    .action(work);
}

async function work(flags: Flags): Promise<void> {
  const settings = settingsHere();
  const concurrency = flags.concurrency ?? settings.SHEAF_CONCURRENCY;
  await withContext({ settings, rate: flags.rate, concurrency, logLevel: 'info' }, async (context) => {
    const { startWorker } = await import('../../runtime/worker.ts');
    const signal = stopSignal();
    const worker = await startWorker(context, concurrency);
    say(`Worker ${worker.id} takes ${concurrency} slices at once. Ctrl-C stops it.`);
    await untilStopped(signal);
    await worker.stop();
  });
}
