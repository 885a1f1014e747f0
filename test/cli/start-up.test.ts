import { expect, it } from 'vitest';
import { sheaf } from '../support/command.ts';

const LISTING = new URL('../support/list-modules.mjs', import.meta.url).href;

// What a command loads before it knows what to do is waited for every time; a count does not depend on the machine.
it('help loads the words of the commands, and nothing that works', async () => {
  const { stdout, stderr } = await sheaf(['--help'], { NODE_OPTIONS: `--import=${LISTING}` });
  expect(stdout).toContain('harvest');
  const modules = stderr.split('\n');
  const packages = modules.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
  expect([...new Set(packages)].toSorted()).toEqual(['commander', 'croner', 'fastest-levenshtein']);
  expect(modules.length).toBeLessThan(100);
});
