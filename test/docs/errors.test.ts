import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { rejectReasons } from '../../src/domain/record.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

/** Everything that may raise an error of Sheaf's; the twin raises none. */
const sources: readonly string[] = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.startsWith('twin'))
  .map((path) => read(`src/${path}`));

/** Codes with a part that is filled in: what they stand for in the docs. Others stand there as they are written. */
const filledIn: Readonly<Record<string, readonly string[]>> = {
  'unknown-<what>': ['unknown-field', 'unknown-relation'],
};

const KEBAB = /^[a-z0-9]+(?:-(?:[a-z0-9]+|<[a-z]+>))*$/;

/** The literals of a pattern's group, in all of the source; `${status}` is read as `<status>`. */
function literals(pattern: RegExp): string[] {
  return sources
    .flatMap((text) => [...text.matchAll(pattern)])
    .flatMap((match) => [...(match[1] ?? '').matchAll(/'([^']*)'|`([^`]*)`/g)])
    .map((match) => (match[1] ?? match[2] ?? '').replaceAll(/\$\{(\w+)\}/g, '<$1>'))
    .filter((text) => KEBAB.test(text));
}

/** `code: '…'` in an error's options, and `const code = … ? '…' : '…'`. */
function errorCodes(): string[] {
  const own = new Set([...union('ExportErrorCode', 'src/exporters/exporter.ts')]);
  return [...literals(/\bcode: ('[^']*'|`[^`]*`)/g), ...literals(/\bconst code = ([^;]*);/g)]
    .flatMap((code) => filledIn[code] ?? [code])
    .filter((code) => !own.has(code));
}

/** The members of a union of string literals. */
function union(name: string, path: string): string[] {
  const body = new RegExp(`export type ${name} =([^;]*);`).exec(read(path))?.[1] ?? '';
  return [...body.matchAll(/'([^']+)'/g)].map((match) => match[1] ?? '');
}

/** The codes in the first column of the tables below a heading of the second level. */
function documented(heading: string): string[] {
  const section =
    read('docs/errors.md')
      .split(/^## /m)
      .find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '');
}

const sorted = (codes: readonly string[]): string[] => [...new Set(codes)].toSorted();

describe('docs/errors.md', () => {
  it.each([
    ['Codes', errorCodes()],
    ['Reasons of rejects', literals(/\breason: ('[^']*')/g)],
    ['Codes of exports', union('ExportErrorCode', 'src/exporters/exporter.ts')],
    ['Codes of the embedded PostgreSQL', union('EmbeddedPostgresErrorCode', 'src/embedded/embedded-postgres-error.ts')],
  ])('lists under "%s" what the code has: nothing more, nothing less', (heading, codes) => {
    expect(codes.length).toBeGreaterThan(3);
    expect(sorted(documented(heading))).toEqual(sorted(codes));
  });

  it('has every reason that `--reason` knows', () => {
    expect(sorted(rejectReasons)).toEqual(sorted(documented('Reasons of rejects')));
  });

  it('lists nothing twice', () => {
    const codes = documented('Codes');
    expect(codes.filter((code, position) => codes.indexOf(code) !== position)).toEqual([]);
  });
});
