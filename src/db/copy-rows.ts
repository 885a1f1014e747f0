import { viewOf } from '../domain/byte-words.ts';
import { withRoom } from '../domain/room.ts';
import { microsecondsOf, secondsOf } from '../domain/timestamp.ts';

const NULL = -1;
/** 1970-01-01 until 2000-01-01, from which PostgreSQL counts. */
const EPOCH_SECONDS = 946_684_800;
/** Of a row, besides its texts. */
const ROOM_FOR_CELLS = 128;

/**
 * Rows in the binary format of `copy … from stdin`, written into the same memory again and again. Cells are added in the
 * order of the statement's columns, row by row.
 */
export class CopyRows {
  #memory: Buffer;
  /** The same: a DataView writes numbers in half the time. Big-endian, as the protocol has them. */
  #view: DataView;
  #size = 0;
  #count = 0;

  /** `capacity`: bytes to begin with. It grows as it has to, and keeps what it has grown to. */
  constructor(capacity: number) {
    this.#memory = Buffer.allocUnsafeSlow(capacity);
    this.#view = viewOf(this.#memory);
  }

  /** How many rows there are. */
  get count(): number {
    return this.#count;
  }

  /** All rows. They hold until rows are added or cleared. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#size);
  }

  clear(): void {
    this.#size = 0;
    this.#count = 0;
  }

  /** `textBytes`: what its texts and JSON take at most, in UTF-8. */
  startRow(columns: number, textBytes: number): void {
    this.#makeRoom(textBytes + ROOM_FOR_CELLS);
    this.#view.setInt16(this.#size, columns);
    this.#size += 2;
    this.#count += 1;
  }

  addInteger(value: number): void {
    this.#addLength(4);
    this.#view.setInt32(this.#size, value);
    this.#size += 4;
  }

  addText(value: string | null): void {
    if (value === null) {
      this.#addLength(NULL);
      return;
    }
    const length = this.#memory.write(value, this.#size + 4);
    this.#addLength(length);
    this.#size += length;
  }

  /** As a column of the type text takes it. */
  addBytes(value: Buffer): void {
    this.#addLength(value.length);
    this.#memory.set(value, this.#size);
    this.#size += value.length;
  }

  /** 32 hex digits. */
  addUuid(digits: string): void {
    this.#addLength(16);
    this.#size += this.#memory.write(digits, this.#size, 'hex');
  }

  /** ISO 8601 without a zone, as `NormalisedRecord.timestamp` has it. */
  addTimestamp(value: string | null): void {
    if (value === null) {
      this.#addLength(NULL);
      return;
    }
    this.#addLength(8);
    this.#addWide(sinceEpoch(value));
  }

  /** Eight bytes. */
  #addWide(value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.#view.setBigInt64(this.#size, value);
    } else {
      const high = Math.floor(value / 2 ** 32);
      this.#view.setInt32(this.#size, high);
      this.#view.setUint32(this.#size + 4, value - high * 2 ** 32);
    }
    this.#size += 8;
  }

  /** Of the cell that follows. */
  #addLength(bytes: number): void {
    this.#view.setInt32(this.#size, bytes);
    this.#size += 4;
  }

  #makeRoom(bytes: number): void {
    const memory = withRoom(this.#memory, this.#size, bytes);
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.#view = viewOf(memory);
  }
}

/** Since PostgreSQL's epoch. A bigint, which is slow to make, only for the centuries for which a number would not be exact. */
function sinceEpoch(timestamp: string): number | bigint {
  const seconds = secondsOf(timestamp) - EPOCH_SECONDS;
  const fraction = microsecondsOf(timestamp);
  const microseconds = seconds * 1_000_000 + fraction;
  return Number.isSafeInteger(microseconds) ? microseconds : BigInt(seconds) * 1_000_000n + BigInt(fraction);
}
