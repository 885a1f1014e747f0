import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { ExportFormat } from '../../src/domain/harvest-request.ts';
import { exportDataset } from '../../src/runtime/export-dataset.ts';
import { setUp } from '../support/living-source.ts';
import { range } from '../support/rows.ts';

const NAME = 'oda/Afstemning';

/** What lies in the folder of an export, and what its manifest says that there is. */
async function look(directory: string) {
  const { files } = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as {
    files: { name: string }[];
  };
  return { there: (await readdir(directory)).toSorted(), listed: ['manifest.json', ...files.map(({ name }) => name)] };
}

it('leaves what its manifest lists and nothing else, also of exports at the same time', async () => {
  const { fleet } = await setUp({ ids: range(1, 20) });
  await fleet.harvest(NAME);
  const write = (formats: ExportFormat[], asOf: Date | null) =>
    exportDataset(fleet.context, { dataset: NAME, formats, shape: 'source', out: fleet.out, asOf });
  for (const asOf of [null, new Date()]) {
    await write(['ndjson', 'json'], asOf);
    const directory = dirname((await write(['csv'], asOf))[0]?.path ?? '');
    expect(await look(directory)).toEqual({
      there: ['manifest.json', 'oda-Afstemning.csv'],
      listed: ['manifest.json', 'oda-Afstemning.csv'],
    });
    for (let round = 0; round < 8; round++) {
      await Promise.all([write(['ndjson'], asOf), write(['csv'], asOf), write(['json'], asOf)]);
      const { there, listed } = await look(directory);
      expect(there).toEqual(listed);
      expect(there).toHaveLength(2);
    }
  }
});
