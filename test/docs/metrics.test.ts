import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { declaredMetrics } from '../server/declared-metrics.ts';

const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
const ROW = /^\| `([a-z_]\w*)` \| (\w+) \| ([^|]*) \| (.*) \|$/gm;

const documented = [...text.matchAll(ROW)].map(([, name = '', type = '', labels = '', help = '']) => ({
  name,
  type,
  labels: [...labels.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ''),
  help,
}));
const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

it('says of every metric what it is, and names none that does not exist', async () => {
  const declared = await declaredMetrics();
  expect(documented.toSorted(byName)).toEqual(declared.toSorted(byName));
});
