import type pg from 'pg';

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
  #at = 0;

  /** Without a transaction under way, the statements are one of their own. They take no parameters. */
  constructor(client: pg.ClientBase, statements: readonly string[]) {
    this.#client = client;
    this.#buffer = kept.get(client) ?? Buffer.allocUnsafeSlow(INITIAL_SIZE);
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
    this.#at = this.#buffer.writeInt16BE(columns, this.#at);
  }

  addInteger(value: number): void {
    this.#at = this.#buffer.writeInt32BE(4, this.#at);
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
  }

  addText(value: string | null): void {
    if (value === null) {
      this.#addNull();
      return;
    }
    const length = this.#buffer.write(value, this.#at + 4);
    this.#buffer.writeInt32BE(length, this.#at);
    this.#at += 4 + length;
  }

  /** As a column of the type text takes it. */
  addBytes(value: Buffer): void {
    this.#at = this.#buffer.writeInt32BE(value.length, this.#at);
    this.#append(value);
  }

  /** 32 hex digits. */
  addUuid(digits: string): void {
    this.#at = this.#buffer.writeInt32BE(16, this.#at);
    this.#at += this.#buffer.write(digits, this.#at, 'hex');
  }

  /** ISO 8601 without a zone, as `NormalisedRecord.timestamp` has it. */
  addTimestamp(value: string | null): void {
    if (value === null) {
      this.#addNull();
      return;
    }
    this.#at = this.#buffer.writeInt32BE(8, this.#at);
    this.#addWide(microsecondsOf(value));
  }

  /** Resolves when PostgreSQL has taken it; rejects with its error otherwise. The connection stays usable either way. */
  async send(): Promise<void> {
    this.#makeRoom(ROOM_FOR_CELLS);
    this.#at = this.#buffer.writeInt16BE(END_OF_ROWS, this.#at);
    this.#buffer.writeInt32BE(this.#at - this.#rowsFrom - 1, this.#rowsFrom + 1);
    this.#start('c', 0);
    const message = this.#buffer.subarray(0, this.#at);
    await new Promise<void>((resolve, reject) => this.#client.query(new SentMessage(message, { resolve, reject })));
    if (this.#buffer.length <= KEPT_SIZE) kept.set(this.#client, this.#buffer);
  }

  /** Eight bytes. */
  #addWide(value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.#at = this.#buffer.writeBigInt64BE(value, this.#at);
      return;
    }
    const high = Math.floor(value / 2 ** 32);
    this.#at = this.#buffer.writeInt32BE(high, this.#at);
    this.#at = this.#buffer.writeUInt32BE(value - high * 2 ** 32, this.#at);
  }

  #addNull(): void {
    this.#at = this.#buffer.writeInt32BE(NULL, this.#at);
  }

  #append(bytes: Buffer): void {
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Of a protocol message: its type, and its length, which counts itself. */
  #start(type: string, bodyLength: number): void {
    this.#at = this.#buffer.writeUInt8(type.charCodeAt(0), this.#at);
    this.#at = this.#buffer.writeInt32BE(4 + bodyLength, this.#at);
  }

  #makeRoom(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}

/**
 * Rounds what is finer than a microsecond, halves to the even one, as PostgreSQL does when it reads the text. A bigint, which is
 * slow to make, only for the centuries for which a number would not be exact.
 */
function microsecondsOf(timestamp: string): number | bigint {
  const seconds = Date.parse(`${timestamp.slice(0, 19)}Z`) / 1000 - EPOCH_SECONDS;
  const exact = timestamp.length > 20 ? Number(`0${timestamp.slice(19)}`) * 1_000_000 : 0;
  const nearest = Math.round(exact);
  const fraction = nearest - exact === 0.5 && nearest % 2 === 1 ? nearest - 1 : nearest;
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
