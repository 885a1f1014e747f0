import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { runReport } from '../../src/domain/report.ts';

it("the README's sample of --json has the names of a report", async () => {
  const [, sample = ''] = /```json\n([\s\S]*?)```/.exec(await readFile('README.md', 'utf8')) ?? [];
  expect(Object.keys(JSON.parse(sample)).toSorted()).toEqual(Object.keys(runReport.shape).toSorted());
});
