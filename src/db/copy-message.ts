import type pg from 'pg';
import { viewOf } from '../domain/byte-words.ts';
import { microsecondsOf, secondsOf } from '../domain/timestamp.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1'); // without flags, and without an extension of the header
const END_OF_ROWS = -1;
const NULL = -1;
/** 1970-01-01 until 2000-01-01, from which PostgreSQL counts. */
const EPOCH_SECONDS = 946_684_800;
/** What a message begins with: room for most pages. */
const INITIAL_SIZE = 256 * 1024;
/** What a connection keeps between messages at most. */
const KEPT_SIZE = 1024 * 1024;
/** Of a row, besides its texts. */
const ROOM_FOR_CELLS = 128;

/** Each connection writes its messages into the same memory: PostgreSQL has taken the last one before there is another. */
const kept = new WeakMap<pg.ClientBase, Buffer>();

/**
 * One message to PostgreSQL: statements of which the last is `copy … from stdin (format binary)`, and the rows for it. All of
 * it goes out in one write and takes one round trip, where a driver would wait for the server to ask for the rows. The protocol
 * allows that: a server that has refused the statements passes over the rows.
 *
 * Cells are added in the table's order of columns, row by row.
 */
export class CopyMessage {
  readonly #client: pg.ClientBase;
  readonly #rowsFrom: number;
  #buffer: Buffer;
  /** The same: a DataView writes numbers in half the time. Big-endian, as the protocol has them. */
  #view: DataView;
  #at = 0;

  /** Without a transaction under way, the statements are one of their own. They take no parameters. */
  constructor(client: pg.ClientBase, statements: readonly string[]) {
    this.#client = client;
    this.#buffer = kept.get(client) ?? Buffer.allocUnsafeSlow(INITIAL_SIZE);
    this.#view = viewOf(this.#buffer);
    kept.delete(client);
    const text = Buffer.from(`${statements.join('; ')}\0`);
    this.#makeRoom(text.length + SIGNATURE.length + ROOM_FOR_CELLS);
    this.#start('Q', text.length);
    this.#append(text);
    this.#rowsFrom = this.#at;
    this.#start('d', 0); // its length is known at the end
    this.#append(SIGNATURE);
  }

  /** `textBytes`: what its texts and JSON take at most, in UTF-8. */
  startRow(columns: number, textBytes: number): void {
    this.#makeRoom(textBytes + ROOM_FOR_CELLS);
    this.#view.setInt16(this.#at, columns);
    this.#at += 2;
  }

  addInteger(value: number): void {
    this.#addLength(4);
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  addText(value: string | null): void {
    if (value === null) {
      this.#addNull();
      return;
    }
    const length = this.#buffer.write(value, this.#at + 4);
    this.#addLength(length);
    this.#at += length;
  }

  /** As a column of the type text takes it. */
  addBytes(value: Buffer): void {
    this.#addLength(value.length);
    this.#append(value);
  }

  /** 32 hex digits. */
  addUuid(digits: string): void {
    this.#addLength(16);
    this.#at += this.#buffer.write(digits, this.#at, 'hex');
  }

  /** ISO 8601 without a zone, as `NormalisedRecord.timestamp` has it. */
  addTimestamp(value: string | null): void {
    if (value === null) {
      this.#addNull();
      return;
    }
    this.#addLength(8);
    this.#addWide(sinceEpoch(value));
  }

  /** Resolves when PostgreSQL has taken it; rejects with its error otherwise. The connection stays usable either way. */
  async send(): Promise<void> {
    this.#makeRoom(ROOM_FOR_CELLS);
    this.#view.setInt16(this.#at, END_OF_ROWS);
    this.#at += 2;
    this.#view.setInt32(this.#rowsFrom + 1, this.#at - this.#rowsFrom - 1);
    this.#start('c', 0);
    const message = this.#buffer.subarray(0, this.#at);
    await new Promise<void>((resolve, reject) => this.#client.query(new SentMessage(message, { resolve, reject })));
    if (this.#buffer.length <= KEPT_SIZE) kept.set(this.#client, this.#buffer);
  }

  /** Eight bytes. */
  #addWide(value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.#view.setBigInt64(this.#at, value);
    } else {
      const high = Math.floor(value / 2 ** 32);
      this.#view.setInt32(this.#at, high);
      this.#view.setUint32(this.#at + 4, value - high * 2 ** 32);
    }
    this.#at += 8;
  }

  #addNull(): void {
    this.#addLength(NULL);
  }

  /** Of the cell that follows. */
  #addLength(bytes: number): void {
    this.#view.setInt32(this.#at, bytes);
    this.#at += 4;
  }

  #append(bytes: Buffer): void {
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Of a protocol message: its type, and its length, which counts itself. */
  #start(type: string, bodyLength: number): void {
    this.#view.setUint8(this.#at++, type.charCodeAt(0));
    this.#addLength(4 + bodyLength);
  }

  #makeRoom(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
    this.#view = viewOf(larger);
  }
}

/** Since PostgreSQL's epoch. A bigint, which is slow to make, only for the centuries for which a number would not be exact. */
function sinceEpoch(timestamp: string): number | bigint {
  const seconds = secondsOf(timestamp) - EPOCH_SECONDS;
  const fraction = microsecondsOf(timestamp);
  const microseconds = seconds * 1_000_000 + fraction;
  return Number.isSafeInteger(microseconds) ? microseconds : BigInt(seconds) * 1_000_000n + BigInt(fraction);
}

interface Settling {
  resolve(): void;
  reject(error: Error): void;
}

/** A query as the driver carries it out, whose message is complete already. */
class SentMessage {
  readonly #message: Buffer;
  readonly #settling: Settling;

  constructor(message: Buffer, settling: Settling) {
    this.#message = message;
    this.#settling = settling;
  }

  submit(connection: pg.Connection): void {
    connection.stream.write(this.#message);
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
