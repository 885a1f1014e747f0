import { once } from 'node:events';
import type { Settings } from '../config/options.ts';
import type { SheafContext } from '../runtime/context.ts';
import { say } from './output.ts';

export interface SessionOptions {
  readonly concurrency?: number | undefined;
  readonly rate?: number | undefined;
  /** False for commands that only look at the database. */
  readonly usesQueues?: boolean;
  /** What is logged when SHEAF_LOG_LEVEL says nothing; default silent: commands for people speak for themselves. */
  readonly logLevel?: NonNullable<Settings['SHEAF_LOG_LEVEL']>;
  readonly settings?: Settings;
}

/** The settings of this command: the environment, with `.env` behind it. What reads them is only loaded here. */
export async function settingsHere(): Promise<Settings> {
  const { loadEnvFile, readSettings } = await import('../config/settings.ts');
  loadEnvFile();
  return readSettings();
}

/**
 * Opens everything, does `work`, and closes everything again, whatever happens. The runtime is only loaded here, so
 * that `--help` and a mistyped option answer at once.
 */
export async function withContext<T>(options: SessionOptions, work: (context: SheafContext) => Promise<T>): Promise<T> {
  const { openContext } = await import('../runtime/context.ts');
  const context = await openContext({
    settings: options.settings ?? (await settingsHere()),
    logLevel: options.logLevel ?? 'silent',
    concurrency: options.concurrency ?? 0,
    rate: options.rate ?? null,
    usesQueues: options.usesQueues ?? true,
    onProgress: say,
  });
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

/** Aborted by the first Ctrl-C or SIGTERM; a second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    say('Stopping: what is under way is handed back. Once more ends at once; nothing is lost by that either.');
    controller.abort(signal);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

/** Does `work`; when it is interrupted, says this and ends the process: there is nothing to hand back yet. */
export async function orSay<T>(text: () => string, work: () => Promise<T>): Promise<T> {
  const end = (signal: NodeJS.Signals) => {
    say(text());
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  try {
    return await work();
  } finally {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
  }
}

/** How long a worker that has lost a store may take to let go of the other. */
const LOST_MS = 5_000;

/**
 * Waits for `work` unless the worker is lost first: then this throws why, and the process ends with exit code 1 within
 * seconds, whatever still waits for a store that is away.
 */
export async function orLost<T>(worker: { readonly lost: Promise<Error> }, work: Promise<T>): Promise<T> {
  const lost = worker.lost.then((error) => {
    const end = () => {
      say(`sheaf: ${error.message}`);
      process.exit(1);
    };
    setTimeout(end, LOST_MS).unref();
    throw error;
  });
  return Promise.race([work, lost]);
}

/** Resolves when the signal is aborted, and keeps the process alive until then: nothing else need be going on. */
export async function untilStopped(signal: AbortSignal): Promise<void> {
  const alive = setInterval(() => undefined, 60_000);
  if (!signal.aborted) await once(signal, 'abort');
  clearInterval(alive);
}
