import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { defaultBehaviour } from '../../src/twin/behaviour.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const document = readFileSync(`${root}docs/twin.md`, 'utf8');
/** What stands in the first column of the tables. */
const described = [...document.matchAll(/^\|([^|]+)\|/gm)].flatMap((row) =>
  [...(row[1] ?? '').matchAll(/`([^`]+)`/g)].map((name) => name[1] ?? ''),
);

describe('docs/twin.md', () => {
  it('describes every switch and every fault, and none besides', () => {
    const text = readFileSync(`${root}src/twin/faults.ts`, 'utf8');
    const kinds = [...text.matchAll(/readonly kind: '([^']+)'/g)].map((match) => match[1] ?? '');
    expect(kinds.length).toBeGreaterThan(10);
    const names = ['fault.kind', ...Object.keys(defaultBehaviour), ...kinds];
    expect(described.toSorted()).toEqual(names.toSorted());
  });
});
