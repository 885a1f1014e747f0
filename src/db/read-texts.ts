import type pg from 'pg';
import type { Database } from './database.ts';

/** How many rows are read at a time: memory depends on this, not on the size of what is read. */
const READ_ROWS = 2_000;

interface Reading {
  readonly query: string;
  readonly values: readonly unknown[];
  readonly rowsAtATime: number;
}

/** Reads the one text column of a query through a cursor, some thousands at a time, as they are at one moment. Whoever stops reading gives the connection back. */
export function readTexts(
  database: Pick<Database, 'pool'>,
  query: string,
  values: readonly unknown[],
  rowsAtATime = READ_ROWS,
): AsyncGenerator<string[]> {
  return read(database, { query, values, rowsAtATime }, async (client, text) => {
    const { rows } = await client.query<[string]>({ text, rowMode: 'array' });
    return rows.map((row) => row[0]);
  });
}

/** As `readTexts`, for rows of several columns. */
export function readRows<Row extends pg.QueryResultRow>(
  database: Pick<Database, 'pool'>,
  reading: Reading,
): AsyncGenerator<Row[]> {
  return read(database, reading, async (client, text) => (await client.query<Row>(text)).rows);
}

async function* read<Row>(
  { pool }: Pick<Database, 'pool'>,
  { query, values, rowsAtATime }: Reading,
  fetchRows: (client: pg.PoolClient, statement: string) => Promise<Row[]>,
): AsyncGenerator<Row[]> {
  const client = await pool.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    await client.query(`declare reading no scroll cursor for ${query}`, [...values]);
    for (;;) {
      const rows = await fetchRows(client, `fetch ${rowsAtATime} from reading`);
      if (rows.length === 0) break;
      yield rows;
    }
  } finally {
    const isUsable = await client.query('rollback').then(
      () => true,
      () => false,
    );
    client.release(!isUsable);
  }
}
