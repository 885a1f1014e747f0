import type { Command } from 'commander';
import type { SheafContext } from '../../runtime/context.ts';
import type { Server } from '../../runtime/serve.ts';
import type { Worker } from '../../runtime/worker.ts';
import { addRateOption, wholeNumber } from '../harvest-options.ts';
import { say } from '../output.ts';
import { orLost, settingsHere, stopSignal, untilStopped, withContext } from '../session.ts';

interface Flags {
  readonly concurrency?: number;
  readonly rate?: number;
  readonly check?: boolean;
  readonly host?: string;
  readonly port?: number;
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
      'pages asked for at once in this process (default: SHEAF_CONCURRENCY, or 8)',
      wholeNumber(1, 256),
    )
    .option(
      '--port <n>',
      'answer /healthz, /readyz and /metrics on this port, 0 for a free one (default: SHEAF_WORKER_PORT, or none)',
      wholeNumber(0, 65_535),
    )
    .option('--host <address>', 'the address for that (default: SHEAF_HOST, or 127.0.0.1: this machine only)')
    .option('--check', 'only tell whether a worker on this machine is alive and takes work: exit code 0 or 1')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf worker\n  sheaf worker --concurrency 16\n  sheaf worker --port 7071\n  sheaf worker --check\n\nCtrl-C, or SIGTERM, hands back what is under way; nothing is lost.',
    )
    .action((flags: Flags) => (flags.check ? check() : work(flags)));
}

/** For a supervisor's health check: it asks whether work flows, not whether a process exists. */
async function check(): Promise<void> {
  await withContext({ usesQueues: false }, async (context) => {
    const { wellWorkersHere } = await import('../../runtime/inspect.ts');
    for (const { id, pid } of await wellWorkersHere(context)) say(`Worker ${id} (pid ${pid}) is alive and takes work.`);
  });
}

async function work(flags: Flags): Promise<void> {
  const settings = await settingsHere();
  const concurrency = flags.concurrency ?? settings.SHEAF_CONCURRENCY;
  await withContext({ settings, rate: flags.rate, concurrency, logLevel: 'info' }, async (context) => {
    const { startWorker } = await import('../../runtime/worker.ts');
    const signal = stopSignal();
    const worker = await startWorker(context, concurrency);
    try {
      const server = await answerOn(context, flags, worker);
      const where = server === undefined ? '' : ` Its health is at ${server.url}/readyz.`;
      say(`Worker ${worker.id} asks for ${concurrency} pages at once.${where} Ctrl-C stops it.`);
      try {
        await orLost(worker, untilStopped(signal));
      } finally {
        await server?.stop();
      }
    } finally {
      await worker.stop();
    }
  });
}

/** Undefined when no port was asked for. */
async function answerOn(context: SheafContext, flags: Flags, worker: Worker): Promise<Server | undefined> {
  const { SHEAF_HOST, SHEAF_WORKER_PORT } = context.settings;
  const port = flags.port ?? SHEAF_WORKER_PORT;
  if (port === undefined) return undefined;
  const { startWorkerServer } = await import('../../runtime/serve.ts');
  return startWorkerServer(context, { host: flags.host ?? SHEAF_HOST, port }, worker);
}
