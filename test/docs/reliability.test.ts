import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const page = readFileSync('docs/reliability.md', 'utf8');
/** A file of tests, and the name of one of them. */
const named = [...page.matchAll(/`(test\/[^`]+\.test\.ts)`:\s+\*([^*]+)\*/g)].map(
  ([, file = '', name = '']) => [name.replaceAll(/\s+/g, ' '), file] as const,
);
const [promises = ''] = /## What Sheaf promises[\s\S]*?What is not promised/.exec(page) ?? [];

describe('docs/reliability.md', () => {
  it('names a test for every promise', () => {
    expect(named.length).toBeGreaterThan(10);
    expect(promises.match(/^- /gm)).toHaveLength(named.length);
  });

  it.each(named)('names a test that exists: %s', (name, file) => {
    expect(readFileSync(file, 'utf8')).toContain(`'${name}'`);
  });
});
