import type { Socket } from 'node:net';
import type pg from 'pg';
import type { CopyRows } from './copy-rows.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1'); // without flags, and without an extension of the header
const END_OF_ROWS = Buffer.from([0xff, 0xff]);
const END = Buffer.concat([END_OF_ROWS, startOf('c', 0)]);

/**
 * Sends one message to PostgreSQL: statements of which the last is `copy … from stdin (format binary)`, and the rows for it.
 * All of it goes out in one write and takes one round trip, where a driver would wait for the server to ask for the rows. The
 * protocol allows that: a server that has refused the statements passes over the rows.
 *
 * Without a transaction under way, the statements are one of their own. They take no parameters. Resolves when PostgreSQL has
 * taken it, and rejects with its error otherwise; the connection stays usable either way. Until then
 * the rows are to be left as they are.
 */
export async function sendCopy(client: pg.ClientBase, statements: readonly string[], rows: CopyRows): Promise<void> {
  const { bytes } = rows;
  const message = [headOf(statements, bytes.length), bytes, END];
  await new Promise<void>((resolve, reject) => client.query(new SentMessage(message, { resolve, reject })));
}

/** The statements, and what the rows' message begins with. */
function headOf(statements: readonly string[], rowBytes: number): Buffer {
  const text = Buffer.from(`${statements.join('; ')}\0`);
  const rows = startOf('d', SIGNATURE.length + rowBytes + END_OF_ROWS.length);
  return Buffer.concat([startOf('Q', text.length), text, rows, SIGNATURE]);
}

/** What a message of the protocol begins with: its type, and its length, which counts itself. */
function startOf(type: string, bodyLength: number): Buffer {
  const start = Buffer.alloc(5, type);
  start.writeInt32BE(4 + bodyLength, 1);
  return start;
}

interface Settling {
  resolve(): void;
  reject(error: Error): void;
}

/** A query as the driver carries it out, whose message is complete already. */
class SentMessage {
  readonly #message: readonly Buffer[];
  readonly #settling: Settling;

  constructor(message: readonly Buffer[], settling: Settling) {
    this.#message = message;
    this.#settling = settling;
  }

  submit(connection: pg.Connection): void {
    const socket = connection.stream as Socket;
    socket.cork();
    for (const part of this.#message) socket.write(part);
    socket.uncork();
  }

  /** Called once the driver has forgotten this query: it is told nothing more. */
  handleError(error: Error): void {
    this.#settling.reject(error);
  }

  handleReadyForQuery(): void {
    this.#settling.resolve();
  }

  handleCopyInResponse(): void {} // the rows are on their way
  handleCommandComplete(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}
