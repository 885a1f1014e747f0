import type { Database } from '../database.ts';
import { stagedRows } from './staging.ts';

/** How many rows are read at a time: memory depends on this, not on the size of what is read. */
const READ_ROWS = 2_000;

/** Keys in the order of numbers where they are numbers: shorter decimal numbers are smaller ones. */
export const KEY_ORDER = 'length(key), key';

/** The records a run has staged, in key order, as the source's own JSON texts, some thousands at a time. */
export function readStaged(database: Database, run: string, hasDuplicates: boolean): AsyncGenerator<string[]> {
  return readTexts(
    database,
    `select record as text from (${stagedRows(run, hasDuplicates)}) as staged order by ${KEY_ORDER}`,
    [],
  );
}

/** The current records of a dataset, in key order, as JSON texts (PostgreSQL's spelling, the source's values). */
export function readRecords(database: Database, dataset: string): AsyncGenerator<string[]> {
  return readTexts(
    database,
    `select data::text as text from sheaf.records where dataset = $1 and deleted_at is null order by ${KEY_ORDER}`,
    [dataset],
  );
}

/** The only column of a query, some rows at a time, in one snapshot. Whoever stops reading gives the connection back. */
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
