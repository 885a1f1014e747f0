import { resolve } from 'node:path';
import type { Settings } from '../config/options.ts';
import { checkServer, openDatabase, serverOf } from '../db/database.ts';
import { requireMigrated } from '../db/migrate.ts';
import { redact } from '../domain/redact.ts';
import { checkWritable } from '../exporters/export-directory.ts';
import { openQueues } from '../queues/queues.ts';
import { createTelemetry } from '../telemetry/events.ts';
import { Closing } from './closing.ts';
import { startEmbedded } from './embedded.ts';
import { createSources } from './sources.ts';
import { VERSION } from './version.ts';

export interface Finding {
  readonly what: string;
  readonly isFine: boolean;
  /** What was found, or what is wrong and what to do. */
  readonly detail: string;
}

/** Looks at everything a harvest needs, one thing after the other, and goes on when one is not right. */
export async function examine(settings: Settings): Promise<Finding[]> {
  const findings = [{ what: 'sheaf', isFine: true, detail: `${VERSION} on Node ${process.versions.node}` }];
  findings.push(await check('database', () => examineDatabase(settings)));
  findings.push(await check('queues', () => examineQueues(settings)));
  findings.push(await check('files', () => examineOut(settings)));
  findings.push(await check('oda', () => examineSource(settings, 'oda')));
  return findings;
}

async function check(what: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { what, isFine: true, detail: await look() };
  } catch (error) {
    return { what, isFine: false, detail: redact(error instanceof Error ? error.message : String(error)) };
  }
}

async function examineDatabase(settings: Settings): Promise<string> {
  return withClosing(async (closing) => {
    const url = settings.DATABASE_URL ?? (await startEmbedded(resolve(settings.SHEAF_HOME), closing));
    const database = openDatabase({ url, session: 'sheaf-doctor', connections: 1 });
    closing.add(() => database.close());
    await checkServer(database);
    const { rows } = await database.pool.query<{ version: string }>(
      `select current_setting('server_version') as version`,
    );
    const where = settings.DATABASE_URL === undefined ? `embedded in ${resolve(settings.SHEAF_HOME)}` : serverOf(url);
    if (settings.DATABASE_URL !== undefined) await requireMigrated(database);
    return `PostgreSQL ${rows[0]?.version}, ${where}`;
  });
}

async function examineQueues(settings: Settings): Promise<string> {
  if (settings.REDIS_URL === undefined) return 'in PostgreSQL (REDIS_URL is not set)';
  const redisUrl = settings.REDIS_URL;
  return withClosing(async (closing) => {
    const queues = openQueues({ databaseUrl: '', redisUrl, installation: 'doctor', onError: () => undefined });
    closing.add(() => queues.close());
    await queues.check();
    return `Redis at ${new URL(redisUrl).host}`;
  });
}

async function examineOut(settings: Settings): Promise<string> {
  const out = resolve(settings.SHEAF_OUT);
  await checkWritable(out);
  return `${out} can be written`;
}

async function examineSource(settings: Settings, name: string): Promise<string> {
  return withClosing(async (closing) => {
    const sources = createSources({
      settings,
      telemetry: createTelemetry(),
      database: null,
      rate: null,
      connections: 1,
    });
    closing.add(() => sources.close());
    const { source, fetch } = sources.reach(name);
    const entities = await source.entities(fetch);
    const rate = sources.rateOf(name);
    return `${redact(source.baseUrl)} has ${entities.length} entities; ${rate === null ? 'no rate limit' : `${rate} requests a second`}`;
  });
}

async function withClosing<T>(work: (closing: Closing) => Promise<T>): Promise<T> {
  const closing = new Closing();
  try {
    return await work(closing);
  } finally {
    await closing.close();
  }
}
