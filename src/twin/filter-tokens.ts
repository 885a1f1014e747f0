import { BadQuery } from './bad-query.ts';

export type Token = {
  readonly kind: 'name' | 'number' | 'string' | 'datetime' | 'sign' | 'end';
  /** For a string and a datetime the content, with doubled quotes made single; otherwise the text itself. */
  readonly text: string;
};

const tokenPattern =
  /\s*(?:(?<datetime>datetime'[^']*')|(?<string>'(?:[^']|'')*')|(?<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[LlMmDdFf]?)(?![\p{L}\p{N}_])|(?<name>[\p{L}_][\p{L}\p{N}_]*)|(?<sign>[(),/:]))/uy;

/** Splits the text of a `$filter` or `$orderby` into tokens; the last is an `end`. Throws BadQuery on anything else. */
export function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  const source = text.trimEnd();
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < source.length) {
    const at = tokenPattern.lastIndex;
    const groups = tokenPattern.exec(source)?.groups;
    if (groups === undefined) throw new BadQuery('syntax', `Unexpected text at ${at}: ${source.slice(at, at + 20)}`);
    tokens.push(tokenOf(groups));
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

function tokenOf(groups: Readonly<Record<string, string | undefined>>): Token {
  if (groups['datetime'] !== undefined) return { kind: 'datetime', text: groups['datetime'].slice(9, -1) };
  if (groups['string'] !== undefined)
    return { kind: 'string', text: groups['string'].slice(1, -1).replaceAll("''", "'") };
  if (groups['number'] !== undefined) return { kind: 'number', text: groups['number'] };
  if (groups['name'] !== undefined) return { kind: 'name', text: groups['name'] };
  return { kind: 'sign', text: groups['sign'] ?? '' };
}
