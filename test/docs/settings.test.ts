import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { renderEnvExample } from '../../src/config/env-example.ts';
import { optionNames } from '../../src/config/options.ts';
import { renderSettingsDoc } from '../../src/config/settings-doc.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

it('has a .env.example that `npm run docs` would write the same', () => {
  expect(read('.env.example')).toBe(renderEnvExample());
});

it('has a docs/settings.md that `npm run docs` would write the same', () => {
  expect(read('docs/settings.md')).toBe(renderSettingsDoc());
});

it.each(optionNames)('names %s in both', (name) => {
  expect(read('.env.example')).toContain(`# ${name}=`);
  expect(read('docs/settings.md')).toContain(`| \`${name}\` |`);
});
