import type pg from 'pg';
import { LineWriter, type RecordLines } from '../domain/record-lines.ts';
import { CopyOut, type CopyTaker } from './copy-out.ts';
import type { Database } from './database.ts';

/**
 * A process that was frozen must not hold its locks for ever, and a transaction that sends is not idle: the server gives up a
 * connection that takes nothing for so long.
 */
const STALLED_MS = 60_000;

/** Bytes of records to give at a time: memory depends on this, not on the size of what is read. */
const GIVEN_BYTES = 256 * 1024;

export interface Placed {
  /** A query of keys and places (ctid) in `table`. */
  readonly places: string;
  readonly table: string;
  /** Ends the reading at once, with its reason, also while the server is still sorting. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The column `record` of the rows at these places, in the order of their keys. Sorting places and then fetching what stands
 * there one by one writes nothing wide to the disk; sorting the records themselves writes and reads all of them once more.
 * PostgreSQL cannot know how wide they are, for such tables have no statistics: so other plans are ruled out, and the
 * order is told in columns by which it sees that the places are in order already.
 */
export function copyPlaced(
  database: Pick<Database, 'pool'>,
  { places, table, signal }: Placed,
): AsyncGenerator<RecordLines> {
  const query = `select s.record
    from (select place, length(key) as size, key from (${places}) as keyed order by size, key) as o
    join ${table} s on s.ctid = o.place order by o.size, o.key`;
  const plan = ['enable_hashjoin = off', 'enable_mergejoin = off', 'max_parallel_workers_per_gather = 0'];
  return copy(database, { query, plan, signal });
}

/**
 * The one column, JSON as text, of a query without parameters, as it is at one moment. The server sends no faster
 * than is read. Whoever stops reading gives the connection back.
 */
export function copyRecords(database: Pick<Database, 'pool'>, query: string): AsyncGenerator<RecordLines> {
  return copy(database, { query, plan: [] });
}

interface Copying {
  readonly query: string;
  /** Settings for this query. */
  readonly plan: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

async function* copy({ pool }: Pick<Database, 'pool'>, { query, plan, signal }: Copying): AsyncGenerator<RecordLines> {
  const client = await pool.connect();
  let isRead = false;
  try {
    const settings = ['jit = off', `tcp_user_timeout = ${STALLED_MS}`, ...plan].map(
      (setting) => `set local ${setting}`,
    );
    await client.query(['begin isolation level repeatable read read only', ...settings].join('; '));
    yield* receive(client, query, signal);
    await client.query('commit');
    isRead = true;
  } finally {
    client.release(!isRead); // with rows still under way, the connection is of no use to anybody else
  }
}

async function* receive(client: pg.PoolClient, query: string, signal?: AbortSignal): AsyncGenerator<RecordLines> {
  signal?.throwIfAborted();
  const reader = new CopyReader();
  const copy = client.query(new CopyOut(`copy (${query}) to stdout (format binary)`, reader));
  const giveUp = () => copy.handleError(signal?.reason);
  signal?.addEventListener('abort', giveUp);
  try {
    for (let isLast = false; !isLast; ) {
      isLast = await copy.fill();
      yield reader.lines.take();
    }
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** The signature (11 bytes), flags and the length of an extension that there never is. */
const FILE_HEAD = 11 + 4 + 4;
/** How many columns there are (2 bytes), and how long the one is. */
const ROW_HEAD = 2 + 4;

/** Reads COPY's binary format of one column that is never null, in pieces that end anywhere: text is in it as it is, where the text format would escape it. */
class CopyReader implements CopyTaker {
  readonly lines = new LineWriter(GIVEN_BYTES * 2);
  #headLeft = FILE_HEAD + ROW_HEAD;
  /** What of the column is still to come. While a head is read, its last four bytes so far. */
  #length = 0;

  isFull(): boolean {
    return this.lines.size >= GIVEN_BYTES;
  }

  add(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headLeft > 0) {
        this.#length = (this.#length << 8) | (chunk[at++] ?? 0);
        this.#headLeft--;
        continue;
      }
      const end = Math.min(at + this.#length, chunk.length);
      this.lines.addBytes(chunk, at, end);
      this.#length -= end - at;
      at = end;
      if (this.#length === 0) this.#endRow();
    }
  }

  #endRow(): void {
    this.lines.endRecord();
    this.#headLeft = ROW_HEAD;
  }
}
