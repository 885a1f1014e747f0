import { withRoom } from './room.ts';

/**
 * Records as they stand in a file of NDJSON: the JSON text of each in UTF-8, a line feed after each, and none within. They are passed on in bytes, because most of
 * them go from the table to a file untouched, and each decoding or encoding on the way would cost more than reading and writing them.
 */
export interface RecordLines {
  /** In memory that whoever made them may use anew: they hold until the next lines are asked for. */
  readonly bytes: Buffer;
  /** Of each record the place of its line feed. */
  readonly ends: readonly number[];
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;

/** Gathers records as lines, in the same memory again and again. */
export class LineWriter {
  #memory: Buffer;
  #size = 0;
  /** Where the record begins that is being written: what is before it are whole lines. */
  #lineStart = 0;
  #ends: number[] = [];
  #isTaken = false;

  constructor(capacity: number) {
    this.#memory = Buffer.allocUnsafeSlow(capacity);
  }

  /** How many bytes of whole lines there are to take. */
  get size(): number {
    return this.#isTaken ? 0 : this.#lineStart;
  }

  /** Adds a part of `bytes` to the record that is being written. */
  addBytes(bytes: Buffer, from: number, to: number): void {
    this.#makeRoom(to - from);
    this.#size += bytes.copy(this.#memory, this.#size, from, to);
  }

  addText(text: string): void {
    this.#makeRoom(text.length * 3); // a UTF-16 code unit takes up to three bytes
    this.#size += this.#memory.write(text, this.#size, 'utf8');
  }

  /** Ends the record. In JSON, a line break can only stand between tokens, where a space does as well. */
  endRecord(): void {
    this.#makeRoom(1);
    const memory = this.#memory;
    const end = this.#size++;
    memory[end] = lineFeed;
    for (let at = memory.indexOf(lineFeed, this.#lineStart); at < end; at = memory.indexOf(lineFeed, at))
      memory[at] = space;
    this.#ends.push(end);
    this.#lineStart = this.#size;
  }

  /** The records that have ended. What is added after this takes their place. */
  take(): RecordLines {
    const bytes = this.#memory.subarray(0, this.size);
    for (let at = bytes.indexOf(carriageReturn); at !== -1; at = bytes.indexOf(carriageReturn, at)) bytes[at] = space;
    const ends = this.#ends;
    this.#ends = [];
    this.#isTaken = true;
    return { bytes, ends };
  }

  #makeRoom(length: number): void {
    if (this.#isTaken) this.#forget();
    this.#memory = withRoom(this.#memory, this.#size, length);
  }

  /** Moves the record that is being written to where those were that are taken. */
  #forget(): void {
    this.#memory.copyWithin(0, this.#lineStart, this.#size);
    this.#size -= this.#lineStart;
    this.#lineStart = 0;
    this.#isTaken = false;
  }
}

/** Lines in memory of their own, of texts that are one JSON value each. */
export function linesOf(texts: readonly string[]): RecordLines {
  const writer = new LineWriter(texts.reduce((size, text) => size + text.length + 1, 1));
  for (const text of texts) {
    writer.addText(text);
    writer.endRecord();
  }
  return writer.take();
}

/** Where a record begins. */
export function startAt({ ends }: RecordLines, index: number): number {
  return index === 0 ? 0 : (ends[index - 1] ?? 0) + 1;
}

/** The JSON text of one record. */
export function textAt(lines: RecordLines, index: number): string {
  return lines.bytes.toString('utf8', startAt(lines, index), lines.ends[index]);
}

/** The JSON texts of the records, in their order. */
export function textsOf(lines: RecordLines): string[] {
  return lines.ends.map((_end, index) => textAt(lines, index));
}
