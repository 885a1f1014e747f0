import type pg from 'pg';
import type { Database } from '../database.ts';
import type { RunRow } from '../schema.ts';
import { relatedTable } from './related.ts';
import { stagingTable } from './staging.ts';

/**
 * Has PostgreSQL look at some columns of a table, so that it plans what follows by how many rows there are, and knows keys for
 * different ones. For that it need not look at more than 3,000 rows: by default it reads ten times as many, from as many places.
 */
export async function analyze(client: pg.Pool | pg.PoolClient, table: string, columns: string): Promise<void> {
  // One message is one transaction, unless there is one already. What is set would else last as long as that.
  await client.query(`
    set local default_statistics_target = 10; analyze ${table} (${columns}); set local default_statistics_target to default`);
}

/** What a run has staged, before it is compared with the table. Of records nothing is to be known. */
export async function analyzeStaged({ pool }: Database, run: Pick<RunRow, 'id' | 'expand'>): Promise<void> {
  await analyze(pool, stagingTable(run.id), 'key, hash');
  if (run.expand !== null) await analyze(pool, relatedTable(run.id), 'dataset, key, hash');
}
