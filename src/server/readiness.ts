import { checkAnswers } from '../db/database.ts';
import { pendingMigrations } from '../db/migrate.ts';
import { redact } from '../domain/redact.ts';
import { keepAnswer } from './kept-answer.ts';
import type { ServerContext } from './server-context.ts';

/** What `/readyz` answers. */
export interface Readiness {
  readonly status: 'ready' | 'not-ready';
  readonly version: string;
  /** What keeps this process from being of use; none when it is ready. */
  readonly problems: readonly Problem[];
}

interface Problem {
  readonly part: string;
  readonly problem: string;
}

/** How long an answer is kept, and how long a store may take, in milliseconds. */
const KEEP = { keepMs: 1_000, withinMs: 2_000 } as const;

type Check = readonly [part: string, check: () => Promise<unknown>];

/** Asks whether the stores answer and the migrations are up to date. */
export function createReadiness(context: ServerContext): () => Promise<Readiness> {
  const { database, version, queueDepths } = context;
  const checks: readonly Check[] = [
    ['database', () => checkAnswers(database, KEEP.withinMs)],
    ['migrations', () => checkMigrations(context)],
    ['queue', queueDepths],
  ].map(([part, check]) => [part, keepAnswer(KEEP, check as () => Promise<unknown>)] as Check);
  return async () => {
    const found = await Promise.all(checks.map(([part, check]) => problemOf(part, check)));
    const problems = [...found, workerProblem(context)].filter((problem) => problem !== null);
    return { status: problems.length === 0 ? 'ready' : 'not-ready', version, problems };
  };
}

async function checkMigrations({ database }: ServerContext): Promise<void> {
  const pending = await pendingMigrations(database.pool);
  if (pending.length > 0) throw new Error(`${pending.join(', ')} missing; run \`sheaf db migrate\``);
}

function workerProblem({ isWorkerWell }: ServerContext): Problem | null {
  if (isWorkerWell === undefined || isWorkerWell()) return null;
  return { part: 'worker', problem: 'it has not shown within a minute that it takes work' };
}

async function problemOf(part: string, check: () => Promise<unknown>): Promise<Problem | null> {
  try {
    await check();
    return null;
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    return { part, problem: redact(message || code || 'no answer') };
  }
}
