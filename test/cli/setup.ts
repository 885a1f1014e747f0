import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import type { RunReport } from '../../src/domain/report.ts';
import { startTwin, type Twin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import type { Finished } from '../support/command.ts';
import { freshDatabaseUrl } from '../support/database.ts';
import type { votes } from '../support/rows.ts';

export interface Bench {
  readonly twin: Twin;
  readonly environment: Record<string, string>;
  readonly databaseUrl: string;
  readonly out: string;
}

/** A twin, a database and a folder for commands that run as processes of their own. */
export async function setUp(rows: ReturnType<typeof votes>, { latencyMs = 0, redisUrl = '' } = {}): Promise<Bench> {
  const out = await mkdtemp(join(tmpdir(), 'sheaf-out-'));
  onTestFinished(() => rm(out, { recursive: true, force: true }));
  const twin = await startTwin({ dataset: inlineData({ Afstemning: rows, Sag: [] }), latencyMs });
  onTestFinished(() => twin.stop());
  const databaseUrl = await freshDatabaseUrl();
  const environment = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, SHEAF_ODA_URL: twin.url, SHEAF_OUT: out };
  return { twin, environment, databaseUrl, out };
}

export const reportOf = ({ stdout }: Finished): RunReport => JSON.parse(stdout) as RunReport;

/** Paths of pages, in order; what planning and verifying asks for is left out. */
export const pagesAsked = (twin: Twin, since = 0) =>
  twin.requests
    .filter(({ startedAt }) => startedAt >= since)
    .map(({ path }) => path)
    .filter((path) => path.includes('id le') && !path.includes('inlinecount'));

export async function stagedPages(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ pages: number }>(
    'select coalesce(sum(pages), 0)::int as pages from sheaf.slices',
  );
  await client.end();
  return rows[0]?.pages ?? 0;
}
