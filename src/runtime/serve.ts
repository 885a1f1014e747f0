import { resolve } from 'node:path';
import type { Settings } from '../config/options.ts';
import { isLoopback } from '../domain/address.ts';
import { OperatorError, UsageError } from '../domain/errors.ts';
import { createApp, createWorkerApp } from '../server/app.ts';
import type { ServerAccess } from '../server/server-context.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { createRunActions, replayAs } from './actions.ts';
import type { SheafContext } from './context.ts';
import { openRecordWriter } from './record-writer.ts';
import { findRejects } from './rejects.ts';
import { createScheduleActions } from './schedules.ts';
import { VERSION } from './version.ts';
import type { Worker } from './worker.ts';

export interface Server {
  /** Where it is reached, e.g. `http://127.0.0.1:7070`. */
  readonly url: string;
  /** Ends what is under way and stops listening. Safe twice. */
  stop(): Promise<void>;
}

export interface Place {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
}

/** Starts the server. Throws an OperatorError when it cannot listen there. */
export async function startServer(context: SheafContext, place: Place): Promise<Server> {
  return listen(context, place, createApp);
}

/** Starts the server of a worker process, which has health and metrics only. */
export async function startWorkerServer(context: SheafContext, place: Place, worker: Worker): Promise<Server> {
  const isWorkerWell = () => worker.isWell();
  return listen(context, place, (app) => createWorkerApp({ ...app, isWorkerWell }));
}

/** How long answers that are under way may take to end when the server stops. */
const STOP_MS = 3_000;

async function listen(context: SheafContext, { host, port }: Place, create: typeof createApp): Promise<Server> {
  const { database, telemetry, queues, settings } = context;
  const access = accessOf(settings, host);
  const metrics = createMetrics(telemetry, { version: VERSION, engine: queues.engine });
  const app = await create({
    database,
    telemetry,
    metrics,
    runs: createRunActions(context),
    schedules: createScheduleActions(context),
    queueDepths: () => queues.depths(),
    access,
    boards: () => queues.boards(),
    out: resolve(settings.SHEAF_OUT),
    replayRejects: async ({ of, ...options }, actor) =>
      replayAs(context, actor, { target: await findRejects(context, of), options }),
    openRecordWriter,
    version: VERSION,
  });
  const stop = async () => {
    metrics.stop();
    // What is still being sent after a while, to a client that reads slowly or not at all, is cut off.
    const cutting = setTimeout(() => app.server.closeAllConnections(), STOP_MS);
    await app.close().finally(() => clearTimeout(cutting));
  };
  try {
    return { url: await app.listen({ host, port }), stop };
  } catch (cause) {
    await stop();
    const detail = (cause as Error).message;
    throw new OperatorError(
      `Cannot listen on ${host}, port ${port}: ${detail}. Choose another with --port and --host, or SHEAF_PORT and SHEAF_HOST.`,
      { code: 'cannot-listen', facts: { host, port }, cause },
    );
  }
}

/** Who may use a server that listens there. Throws a UsageError where others could reach it and nobody has to sign in. */
function accessOf({ SHEAF_ACCESS: entries, SHEAF_TRUST_PROXY: trustedProxies }: Settings, host: string): ServerAccess {
  if (entries.length > 0 || (isLoopback(host) && trustedProxies.length === 0)) return { entries, trustedProxies };
  const where = trustedProxies.length > 0 ? 'Behind a proxy (SHEAF_TRUST_PROXY)' : `On ${host}`;
  throw new UsageError(
    `${where}, others than this machine could reach the server, and nobody would have to sign in. Set SHEAF_ACCESS to at least one user or token: \`sheaf access user <name> --role operator\` prints the entry of a user.`,
    { code: 'access-needed', facts: { host } },
  );
}
