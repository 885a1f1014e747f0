import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Settings } from '../config/options.ts';
import { checkServer, type Database, openDatabase } from '../db/database.ts';
import { migrateDatabase, requireMigrated } from '../db/migrate.ts';
import { writeAudit } from '../db/queries/audit.ts';
import { installationId } from '../db/queries/installation.ts';
import { toStoredError, UsageError } from '../domain/errors.ts';
import type { ReachableSource } from '../producer/survey-harvest.ts';
import { migratePostgresEngine } from '../queues/postgres-engine.ts';
import type { QueueTracing } from '../queues/queue-tracing.ts';
import { openQueues, type Queues } from '../queues/queues.ts';
import { createTelemetry, type Telemetry } from '../telemetry/events.ts';
import { type LogLevel, logEvents } from '../telemetry/logger.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { commandLineActor } from './audited.ts';
import { Closing } from './closing.ts';
import { startEmbedded } from './embedded.ts';
import { createSources, type Sources } from './sources.ts';
import { openTracing, traceEvents } from './trace-runs.ts';

/** Everything that the commands work with, built in one place. Close it when done: in reverse order, twice is fine. */
export interface SheafContext {
  readonly settings: Settings;
  readonly database: Database;
  readonly queues: Queues;
  readonly telemetry: Telemetry;
  readonly sources: Sources;
  readonly reach: (source: string) => ReachableSource;
  /** True when the database is the embedded one. */
  readonly isEmbedded: boolean;
  close(): Promise<void>;
}

export interface ContextOptions {
  readonly settings: Settings;
  /** What is logged when SHEAF_LOG_LEVEL says nothing. */
  readonly logLevel: LogLevel;
  /** False for commands that only look: they work when Redis is down, which is when they are needed. */
  readonly usesQueues?: boolean;
  /** Pages asked for at once; 0 for a command that works none. Decides how many connections are opened. */
  readonly concurrency: number;
  /** Requests a second to every source, instead of what the settings say; null for what they say. */
  readonly rate: number | null;
  /** Told about what takes a while, such as a first start of the embedded PostgreSQL. */
  readonly onProgress?: (text: string) => void;
}

/** Opens the database (starting the embedded one where none is set), proves it fit, and opens the queues and sources. */
export async function openContext(options: ContextOptions): Promise<SheafContext> {
  const { settings } = options;
  const closing = new Closing();
  try {
    const tracing = await openTracing(settings, (message) =>
      telemetry.emit('connection.trouble', { store: 'traces', error: toStoredError(new Error(message)) }),
    );
    const telemetry = createTelemetry(tracing?.tracer);
    if (tracing !== undefined) closing.add(() => tracing.close());
    await logEvents(telemetry, settings.SHEAF_LOG_LEVEL ?? options.logLevel);
    const { database, isEmbedded } = await openStore(options, closing, telemetry);
    if (tracing !== undefined) closing.add(traceEvents({ tracing, telemetry, database }));
    const queues = openQueues({
      databaseUrl: database.url,
      redisUrl: settings.REDIS_URL,
      installation: await installationId(database),
      onError: (error) => telemetry.emit('connection.trouble', { store: 'queue', error: toStoredError(error) }),
      tracing: tracing && (await queueTracing(tracing)),
    });
    closing.add(() => queues.close());
    if (options.usesQueues ?? true) await queues.check();
    const sources = createSources({
      settings,
      telemetry,
      database,
      rate: options.rate,
      connections: Math.max(1, options.concurrency),
    });
    closing.add(() => sources.close());
    const close = () => closing.close();
    return { settings, database, queues, telemetry, sources, reach: sources.reach, isEmbedded, close };
  } catch (error) {
    await closing.close();
    throw error;
  }
}

async function queueTracing({ carrierOf }: Tracing): Promise<QueueTracing> {
  const { createQueueTracing } = await import('../queues/queue-tracing.ts');
  return createQueueTracing(carrierOf);
}

async function openStore(
  options: ContextOptions,
  closing: Closing,
  telemetry: Telemetry,
): Promise<{ database: Database; isEmbedded: boolean }> {
  const { settings, concurrency } = options;
  const isEmbedded = settings.DATABASE_URL === undefined;
  const home = resolve(settings.SHEAF_HOME);
  if (isEmbedded && options.usesQueues === false) requireHome(home);
  const url = settings.DATABASE_URL ?? (await startEmbedded(home, closing, options.onProgress));
  const database = openDatabase({
    url,
    session: `sheaf-${randomUUID()}`,
    connections: concurrency + 8, // one a page that is staged, and some for finalising, reconciling and looking on
    onTrouble: (error) => telemetry.emit('connection.trouble', { store: 'database', error: toStoredError(error) }),
  });
  closing.add(() => database.close());
  await checkServer(database);
  // The embedded database is Sheaf's own; another is migrated when its operator says so.
  if (isEmbedded) await migrateDatabase(database, migratePostgresEngine);
  else await requireMigrated(database);
  return { database, isEmbedded };
}

/** A command that only looks must not set up a database in order to find it empty. */
function requireHome(home: string): void {
  if (existsSync(join(home, 'postgres'))) return;
  throw new UsageError(
    `There is no database in ${home} yet. Harvest something first, or set SHEAF_HOME to where it is.`,
    {
      code: 'no-database',
      facts: { home },
    },
  );
}

/** `sheaf db migrate`: brings the database up to date. Returns the names of the migrations applied. */
export async function migrate(options: Omit<ContextOptions, 'concurrency' | 'rate' | 'logLevel'>): Promise<string[]> {
  const { settings } = options;
  const closing = new Closing();
  try {
    const url =
      settings.DATABASE_URL ?? (await startEmbedded(resolve(settings.SHEAF_HOME), closing, options.onProgress));
    const database = openDatabase({ url, session: 'sheaf-migrate', connections: 2 });
    closing.add(() => database.close());
    await checkServer(database);
    const applied = await migrateDatabase(database, migratePostgresEngine);
    if (applied.length > 0) await noteMigrations(database, applied);
    return applied;
  } finally {
    await closing.close();
  }
}

async function noteMigrations(database: Database, applied: readonly string[]): Promise<void> {
  const target = { kind: 'database', id: new URL(database.url).pathname.slice(1) } as const;
  await writeAudit(database, {
    actor: commandLineActor(),
    action: 'migrate',
    target,
    outcome: 'done',
    details: { applied },
  });
}
