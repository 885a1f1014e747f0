import { once } from 'node:events';
import type { Settings } from '../config/options.ts';
import { environmentHere } from '../config/settings.ts';
import { UsageError } from '../domain/errors.ts';
import { createCommand } from '../notifications/command.ts';
import type { Deliverer } from '../notifications/delivery.ts';
import { createNotifier } from '../notifications/notifier.ts';
import { createWebhook } from '../notifications/webhook.ts';
import type { SheafContext } from './context.ts';
import { every, type Tending } from './every.ts';
import { reportRun } from './report.ts';
import { VERSION } from './version.ts';

/** How often it is looked for what is due; the end of a run wakes a worker at once. */
const LOOK_MS = 5_000;
/** For so long a process that ends by itself waits for whoever is told: as long as a command may take. */
const TOLD_MS = 60_000;

export interface Notifying {
  /** A run has ended: looks at once. */
  wake(): void;
  /** Resolves when all that is due has been told, or tried; after a minute, or when it is told to stop, it waits no longer. */
  told(stop: AbortSignal): Promise<void>;
  /** Tells of what is due once more, for a few seconds, and then of nothing. */
  stop(): Promise<void>;
}

/** Tells of the ends of runs as the settings say, until it is stopped. Throws a UsageError for settings that do not fit. */
export function startNotifying(context: SheafContext, workerId: number, { onError, firstAfterMs }: Tending): Notifying {
  const { database, telemetry, settings } = context;
  const report = (run: string) => reportRun(database, run);
  const options = { deliverers: deliverersOf(settings), states: settings.SHEAF_NOTIFY_STATES };
  const notifier = createNotifier({ database, telemetry, report, workerId }, options);
  const looking = every({ intervalMs: LOOK_MS, firstAfterMs }, () => notifier.tend(), onError);
  return {
    wake: () => void notifier.tend().catch(onError),
    told: async (stop) => {
      const enough = AbortSignal.any([stop, AbortSignal.timeout(TOLD_MS)]);
      if (enough.aborted) return;
      await Promise.race([notifier.tend().catch(onError), once(enough, 'abort')]);
    },
    stop: async () => {
      // At once: a look that is under way waits for the try that the notifier breaks off.
      await Promise.all([looking.stop(), notifier.stop().catch(onError)]);
    },
  };
}

/** Throws a UsageError for a webhook without a secret: its receiver could not tell who speaks. */
export function deliverersOf(settings: Settings): Deliverer[] {
  const { SHEAF_NOTIFY_URL: url, SHEAF_NOTIFY_SECRET: secret, SHEAF_NOTIFY_COMMAND: command } = settings;
  const deliverers: Deliverer[] = [];
  if (url !== undefined && secret === undefined) {
    throw new UsageError(
      'SHEAF_NOTIFY_URL needs SHEAF_NOTIFY_SECRET, with which messages are signed; make one with `echo whsec_$(openssl rand -base64 32)`.',
      { code: 'bad-setting', facts: { name: 'SHEAF_NOTIFY_SECRET' } },
    );
  }
  if (url !== undefined && secret !== undefined)
    deliverers.push(createWebhook({ url, secret, userAgent: `sheaf/${VERSION}` }));
  if (command !== undefined) deliverers.push(createCommand({ command, environment: environmentHere() }));
  return deliverers;
}
