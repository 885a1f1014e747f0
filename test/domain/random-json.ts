export type Random = () => number;

/** A seeded source of numbers in [0, 1), so that a failing document can be made again. */
export function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)] as T;
}

const stringParts = [
  'a',
  'value',
  'æøå',
  '😀',
  '\\"',
  '\\\\',
  '\\n',
  '\\u00e6',
  '\\ud83d\\ude00',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  ' ',
  '1.10',
  '\u2028',
];
const scalars = [
  'null',
  'true',
  'false',
  '0',
  '-0',
  '17',
  '-5',
  '1.10',
  '1e3',
  '2.5',
  '12345678901234567890',
  '-1E-7',
  '0.1',
  '1e400',
];

function randomSpace(random: Random, spacing: number): string {
  return random() < spacing ? pick(random, [' ', '\n', '\t ', '\r\n  ']) : '';
}

export function randomString(random: Random): string {
  const parts = Array.from({ length: Math.floor(random() * 5) }, () => pick(random, stringParts));
  return `"${parts.join('')}"`;
}

/** A name that no other member of its object has, and that is no array index, which objects would put first. */
function randomName(random: Random, index: number): string {
  return `${randomString(random).slice(0, -1)}k${index}"`;
}

/** The text of a random JSON value; `spacing` is the chance of whitespace at each place where it may stand. */
export function randomJson(random: Random, depth: number, spacing: number): string {
  const kind = depth === 0 ? random() * 0.5 : random();
  if (kind < 0.25) return pick(random, scalars);
  if (kind < 0.5) return randomString(random);
  const gap = () => randomSpace(random, spacing);
  const length = Math.floor(random() * 4);
  const value = () => gap() + randomJson(random, depth - 1, spacing) + gap();
  if (kind < 0.75) return `[${Array.from({ length }, value).join(',') || gap()}]`;
  const member = (_: unknown, index: number) => `${gap()}${randomName(random, index)}${gap()}:${value()}`;
  return `{${Array.from({ length }, member).join(',') || gap()}}`;
}
