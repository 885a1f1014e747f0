import type { Command } from 'commander';
import type { Settings } from '../../config/options.ts';
import { addRateOption, wholeNumber } from '../harvest-options.ts';
import { say } from '../output.ts';
import { orLost, settingsHere, stopSignal, untilStopped, withContext } from '../session.ts';

interface ServeFlags {
  readonly host?: string;
  readonly port?: number;
}

interface UpFlags extends ServeFlags {
  readonly concurrency?: number;
  readonly rate?: number;
}

/** `serve` and `up`: the pages and the API, without and with a worker in the same process. */
export function addServe(program: Command): void {
  addListenOptions(
    program
      .command('serve')
      .summary('serve the pages, the API and the dashboard of the queues')
      .description('Serves pages to watch and steer runs, the REST API, Bull Board, health checks and metrics.'),
  )
    .addHelpText('after', '\nExamples:\n  sheaf serve\n  sheaf serve --port 8080')
    .action((flags: ServeFlags) => serve(flags));
  addRateOption(
    addListenOptions(
      program
        .command('up')
        .summary('serve and work, all in one process')
        .description('Serves the pages and the API like `sheaf serve`, and works runs like `sheaf worker`.'),
    ),
  )
    .option(
      '--concurrency <n>',
      'pages asked for at once in this process (default: SHEAF_CONCURRENCY, or 8)',
      wholeNumber(1, 256),
    )
    .addHelpText('after', '\nExample:\n  sheaf up')
    .action((flags: UpFlags) => up(flags));
}

function addListenOptions(command: Command): Command {
  return command
    .option('--host <address>', 'the address to listen on (default: SHEAF_HOST, or 127.0.0.1: this machine only)')
    .option(
      '--port <n>',
      'the port to listen on, 0 for a free one (default: SHEAF_PORT, or 7070)',
      wholeNumber(0, 65_535),
    );
}

function placeOf(flags: ServeFlags, settings: Settings): { host: string; port: number } {
  return { host: flags.host ?? settings.SHEAF_HOST, port: flags.port ?? settings.SHEAF_PORT };
}

async function serve(flags: ServeFlags): Promise<void> {
  const settings = await settingsHere();
  await withContext({ settings, logLevel: 'info' }, async (context) => {
    const { startServer } = await import('../../runtime/serve.ts');
    const signal = stopSignal();
    const server = await startServer(context, placeOf(flags, settings));
    say(`Serving on ${server.url}. Runs are worked by \`sheaf worker\` processes. Ctrl-C stops it.`);
    try {
      await untilStopped(signal);
    } finally {
      await server.stop();
    }
  });
}

async function up(flags: UpFlags): Promise<void> {
  const settings = await settingsHere();
  const concurrency = flags.concurrency ?? settings.SHEAF_CONCURRENCY;
  await withContext({ settings, rate: flags.rate, concurrency, logLevel: 'info' }, async (context) => {
    const [{ startServer }, { startWorker }] = await Promise.all([
      import('../../runtime/serve.ts'),
      import('../../runtime/worker.ts'),
    ]);
    const signal = stopSignal();
    const server = await startServer(context, placeOf(flags, settings));
    try {
      const worker = await startWorker(context, concurrency);
      say(`Serving on ${server.url}, and asking for ${concurrency} pages at once. Ctrl-C stops both.`);
      try {
        await orLost(worker, untilStopped(signal));
      } finally {
        await worker.stop();
      }
    } finally {
      await server.stop();
    }
  });
}
