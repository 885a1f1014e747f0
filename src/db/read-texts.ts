import type { Database } from './database.ts';

/** How many rows are read at a time: memory depends on this, not on the size of what is read. */
const READ_ROWS = 2_000;

/** Reads the one text column of a query through a cursor, some thousands at a time, as they are at one moment. Whoever stops reading gives the connection back. */
export async function* readTexts(
  { pool }: Pick<Database, 'pool'>,
  query: string,
  values: readonly unknown[],
  rowsAtATime = READ_ROWS,
): AsyncGenerator<string[]> {
  const client = await pool.connect();
  try {
    await client.query('begin read only');
    await client.query(`declare reading no scroll cursor for ${query}`, [...values]);
    for (;;) {
      const { rows } = await client.query<[string]>({ text: `fetch ${rowsAtATime} from reading`, rowMode: 'array' });
      if (rows.length === 0) break;
      yield rows.map((row) => row[0]);
    }
  } finally {
    const isUsable = await client.query('rollback').then(
      () => true,
      () => false,
    );
    client.release(!isUsable);
  }
}
