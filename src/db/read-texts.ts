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

export interface Placed {
  /** A query of places (ctid) in `table`, in the order in which the rows are wanted. */
  readonly places: string;
  readonly table: string;
}

/**
 * The column `record` of the rows at these places, in their order. Sorting places and fetching what stands there some
 * thousands at a time writes nothing to the disk; sorting the records themselves writes and reads all of them once more.
 */
export function readPlaced(
  database: Pick<Database, 'pool'>,
  { places, table }: Placed,
  rowsAtATime = READ_ROWS,
): AsyncGenerator<string[]> {
  const text = `select s.record from unnest($1::tid[]) with ordinality as o (place, position)
    join ${table} s on s.ctid = o.place order by o.position`;
  return read(database, { query: places, values: [], rowsAtATime }, async (client, fetchPlaces) => {
    const { rows: found } = await client.query<[string]>({ text: fetchPlaces, rowMode: 'array' });
    if (found.length === 0) return [];
    const values = [found.map(([place]) => place)];
    const { rows } = await client.query<[string]>({ text, values, rowMode: 'array' });
    return rows.map(([record]) => record);
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
