/**
 * Bytes looked at four at a time, as the 32-bit numbers that a DataView reads: walking over text takes half as long as byte by
 * byte. Whether one of the four is a given byte, or below a bound, is told by the carries of a subtraction (H. S. Warren,
 * Hacker's Delight, 2nd edition, 6-1): exact as to whether there is one, and no matter in which order they stand.
 *
 * Each test is one expression of whole numbers, which the engine puts in place of the call.
 */

/** How many bytes a word has. */
export const WORD = 4;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes that are walked over word by word. Made once for many walks: asking for a view, and for its length, takes as long as ten words do. */
export interface WordBytes {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Where the last whole word begins; negative where there is none. */
  readonly lastWord: number;
}

export function wordBytes(bytes: Buffer): WordBytes {
  return { bytes, view: viewOf(bytes), lastWord: bytes.length - WORD };
}

/** Whether there is a quote, a backslash or a control character: where a JSON string ends, or is more than its own text. */
export function hasMark(word: number): boolean {
  const quotes = word ^ 0x22222222;
  const backslashes = word ^ 0x5c5c5c5c;
  const found =
    ((word - 0x20202020) & ~word) | ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes);
  return (found & 0x80808080) !== 0;
}

export function hasComma(word: number): boolean {
  const commas = word ^ 0x2c2c2c2c;
  return ((commas - 0x01010101) & ~commas & 0x80808080) !== 0;
}

export function hasBackslash(word: number): boolean {
  const backslashes = word ^ 0x5c5c5c5c;
  return ((backslashes - 0x01010101) & ~backslashes & 0x80808080) !== 0;
}

/** A text of at least one word's bytes that is looked for again and again. */
export interface WordText {
  /** All of it; the last one may overlap the one before it. */
  readonly words: Int32Array;
  /** In bytes. */
  readonly length: number;
}

export function wordsOf(text: Buffer): WordText {
  const words: number[] = [];
  for (let at = 0; at < text.length - WORD; at += WORD) words.push(text.readInt32LE(at));
  words.push(text.readInt32LE(text.length - WORD));
  return { words: Int32Array.from(words), length: text.length };
}

/** Whether that text stands at a place. */
export function stands({ words, length }: WordText, { view, lastWord }: WordBytes, at: number): boolean {
  const tail = at + length - WORD;
  if (tail > lastWord) return false;
  const last = words.length - 1;
  for (let index = 0; index < last; index++) if (view.getInt32(at + index * WORD, true) !== words[index]) return false;
  return view.getInt32(tail, true) === words[last];
}
