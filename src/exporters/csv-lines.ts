import { hasBackslash, hasComma, viewOf, WORD } from '../domain/byte-words.ts';
import { withRoom } from '../domain/room.ts';
import { ESCAPED, type FlatRecord, MISSING, NULL, TEXT, TEXT_WITH_COMMA } from './flat-record.ts';

const quote = 0x22;
const comma = 0x2c;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const backslash = 0x5c;

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' },
};
/** What the character after a backslash stands for; 0 where it takes more to tell. */
const MEANINGS = Uint8Array.from({ length: 256 }, (_, code) =>
  (ESCAPES[String.fromCharCode(code)] ?? '\0').charCodeAt(0),
);

/** From so many bytes on, copying in one call is faster than word by word. */
const LONG = 64;

/** Lines of CSV that are put together from the bytes of flat records, in the same memory again and again. */
export class CsvLines {
  #memory: Buffer = Buffer.alloc(0);
  /** The same, to be written word by word. */
  #view: DataView = viewOf(this.#memory);
  #size = 0;

  /** Adds the line of a record. Throws a SyntaxError when one of its strings has an escape that there is not. */
  addRecord(record: FlatRecord): void {
    const { kinds, length } = record;
    // Nothing gets longer than it is in JSON, and a comma or the line's end follows each column.
    this.#makeRoom(length + kinds.length + 1);
    for (let column = 0; column < kinds.length; column++) {
      if (column > 0) this.#memory[this.#size++] = comma;
      this.#addValue(record, column);
    }
    this.#memory[this.#size++] = lineFeed;
  }

  addText(text: string): void {
    this.#makeRoom(text.length * 3); // a UTF-16 code unit takes up to three bytes
    this.#size += this.#memory.write(text, this.#size, 'utf8');
  }

  /** What was added. What is added after this takes its place. */
  take(): Uint8Array {
    const bytes = this.#memory.subarray(0, this.#size);
    this.#size = 0;
    return bytes;
  }

  #makeRoom(length: number): void {
    const memory = withRoom(this.#memory, this.#size, length);
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.#view = viewOf(memory);
  }

  #addValue(record: FlatRecord, column: number): void {
    const { kinds, starts, ends } = record;
    const kind = kinds[column];
    if (kind === MISSING || kind === NULL) return;
    const start = starts[column] ?? 0;
    const end = ends[column] ?? 0;
    if (kind === ESCAPED) {
      this.#addUnescaped(record, start, end);
      return;
    }
    const isQuoted = kind === TEXT_WITH_COMMA || (kind === TEXT && start === end);
    if (isQuoted) this.#memory[this.#size++] = quote;
    this.#copy(record, start, end);
    if (isQuoted) this.#memory[this.#size++] = quote;
  }

  #copy({ page: { bytes, view } }: FlatRecord, start: number, end: number): void {
    if (end - start >= LONG) {
      this.#size += bytes.copy(this.#memory, this.#size, start, end);
      return;
    }
    let at = start;
    for (; at + WORD <= end; at += WORD) this.#addWord(view.getInt32(at, true));
    while (at < end) this.#memory[this.#size++] = bytes[at++] ?? 0;
  }

  #addWord(word: number): void {
    this.#view.setInt32(this.#size, word, true);
    this.#size += WORD;
  }

  #addUnescaped(record: FlatRecord, start: number, end: number): void {
    const { bytes } = record.page;
    const memory = this.#memory;
    const first = this.#size++; // for the quote
    let isQuoted = false;
    for (let at = this.#addWords(record, start, end); at < end; at = this.#addWords(record, at + 1, end)) {
      let byte = bytes[at] ?? 0;
      if (byte === backslash) byte = MEANINGS[bytes[++at] ?? 0] ?? 0;
      if (byte === 0) {
        this.#size = first;
        this.#addParsed(bytes, start, end);
        return;
      }
      if (byte === quote) memory[this.#size++] = quote;
      if (needsQuotes(byte)) isQuoted = true;
      memory[this.#size++] = byte;
    }
    if (isQuoted) {
      memory[first] = quote;
      memory[this.#size++] = quote;
    } else {
      memory.copyWithin(first, first + 1, this.#size--);
    }
  }

  /** Adds whole words that stand for themselves, and answers where the rest begins. */
  #addWords({ page: { view } }: FlatRecord, start: number, end: number): number {
    let at = start;
    for (; at + WORD <= end; at += WORD) {
      const word = view.getInt32(at, true);
      if (hasBackslash(word) || hasComma(word)) break;
      this.#addWord(word);
    }
    return at;
  }

  /** For the escapes of four digits, which are rare, and for those that there are not. */
  #addParsed(bytes: Buffer, start: number, end: number): void {
    const text = JSON.parse(bytes.toString('utf8', start - 1, end + 1)) as string;
    const field = /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    this.#size += this.#memory.write(field, this.#size, 'utf8');
  }
}

function needsQuotes(byte: number): boolean {
  return byte === quote || byte === comma || byte === lineFeed || byte === carriageReturn;
}
