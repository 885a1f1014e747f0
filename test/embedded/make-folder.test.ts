import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolder } from '../../src/embedded/make-folder.ts';
import { setup } from './setup.ts';

it('makes one folder of many attempts at once, from one draft', async () => {
  const { root } = await setup();
  const target = join(root, 'target');
  let fills = 0;
  const fill = async (draft: string) => {
    fills += 1;
    await writeFile(join(draft, 'one'), '1');
    await writeFile(join(draft, 'two'), '2');
  };
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(target, fill)));
  expect(await readdir(target)).toEqual(['one', 'two']);
  expect(await readdir(root)).toEqual(['target']);
  expect(fills).toBe(1);
});

it('removes the drafts, and what lies beside them, of makers who are gone', async () => {
  const { root } = await setup();
  // The first never was; the second has the id of a process that runs, but began at another time.
  await mkdir(join(root, 'target.making-1-999999999-12345-aa', 'half'), { recursive: true });
  await writeFile(join(root, 'target.making-1-999999999-12345-aa.password'), 'secret');
  await mkdir(join(root, `target.making-1-${process.pid}-12345-bb`));
  await makeFolder(join(root, 'target'), (draft) => writeFile(join(draft, 'whole'), ''));
  expect(await readdir(root)).toEqual(['target']);
});

it('leaves nothing behind when filling fails, and never touches a folder that is there', async () => {
  const { root } = await setup();
  const target = join(root, 'target');
  const failing = () => Promise.reject(new Error('no luck'));
  await expect(makeFolder(target, failing)).rejects.toThrow('no luck');
  expect(await readdir(root)).toEqual([]);
  await makeFolder(target, (draft) => writeFile(join(draft, 'file'), 'kept'));
  await makeFolder(target, failing);
  expect(await readFile(join(target, 'file'), 'utf8')).toBe('kept');
});
