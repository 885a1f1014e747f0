import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { plantedBugs } from './planted-bugs.ts';

const replacements = plantedBugs.flatMap(({ name, replacements }) => replacements.map((each) => ({ name, ...each })));

it.each(replacements)('can be planted into $file: $name', ({ file, text, by }) => {
  expect(readFileSync(file, 'utf8').split(text)).toHaveLength(2);
  expect(by).not.toBe(text);
});
