import { hostname } from 'node:os';
import { registerWorker, retireWorker } from '../db/queries/workers.ts';
import { openWorkerSession, type SessionListener } from '../db/worker-session.ts';
import { hasEnded } from '../domain/run.ts';
import type { Closing } from './closing.ts';
import type { SheafContext } from './context.ts';
import { every } from './every.ts';
import { hasKafkaLogin } from './feed.ts';
import { VERSION } from './version.ts';

const BEAT_MS = 5_000;

/** What a worker does about what the fleet tells it. Nothing yet for parts that have not started. */
export interface Reactions {
  /** A run no longer fetches. */
  stopRun(run: string): void;
  runHasEnded(): void;
  /** A heartbeat has reached the database. */
  beaten(): void;
}

/** A worker that is being put together. */
export interface Joining {
  readonly context: SheafContext;
  /** Where everything that it starts is to be stopped again. */
  readonly closing: Closing;
  readonly reactions: Reactions;
  onError(error: unknown): void;
}

/** Registers a worker in the ledger and has it show signs of life. Returns its number. */
export async function joinFleet(
  { context, closing, reactions, onError }: Joining,
  concurrency: number,
): Promise<number> {
  const { database, sources, settings } = context;
  const facts = { host: hostname(), pid: process.pid, session: database.session, version: VERSION, concurrency };
  const id = await registerWorker(database, facts);
  closing.add(() => retireWorker(database, id));
  const listener: SessionListener = {
    onRunState: ({ run, state }) => {
      if (state !== 'fetching') reactions.stopRun(run);
      if (hasEnded(state)) reactions.runHasEnded();
    },
    onGate: (source) => void sources.refreshGates(source).catch(onError),
    onFleet: () => void sources.refreshShare().catch(onError),
  };
  const session = await openWorkerSession(database, id, { listener, hasKafkaLogin: hasKafkaLogin(settings) });
  closing.add(() => session.close());
  const beat = async () => {
    await session.beat();
    reactions.beaten();
    await sources.refreshShare();
    await sources.refreshGates();
  };
  // Stopped last: a long merge that is still under way must not look like that of a dead worker.
  const beating = every(Math.min(BEAT_MS, settings.SHEAF_STORE_TIMEOUT_MS / 4), beat, onError);
  closing.add(() => beating.stop());
  return id;
}
