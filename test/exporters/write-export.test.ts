import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ExportFormat } from '../../src/domain/harvest-request.ts';
import { linesOf } from '../../src/domain/record-lines.ts';
import { ExportError } from '../../src/exporters/exporter.ts';
import { writeExports } from '../../src/exporters/write-export.ts';
import { batchesOf, exportRequest, filesIn, measureFile, temporaryDirectory } from './setup.ts';

const all: readonly ExportFormat[] = ['ndjson', 'json', 'csv'];
const texts = Array.from({ length: 5000 }, (_, id) => JSON.stringify({ id, titel: 'Æ'.repeat(200) }));

async function failure(promise: Promise<unknown>): Promise<ExportError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ExportError);
  return error as ExportError;
}

describe('publishing', () => {
  it('is the first moment that any file is there, and puts the manifest beside them', async () => {
    const request = await exportRequest(texts, { formats: all, manifest: { run: '7', source: 'oda' } });
    const staged = await writeExports(request);
    expect((await filesIn(request.directory)).every((name) => name.endsWith('.sheaf-tmp'))).toBe(true);
    const published = await staged.publish();
    expect(published).toEqual(staged.files);
    expect(await filesIn(request.directory)).toEqual([
      'manifest.json',
      'oda-Sag.csv',
      'oda-Sag.json',
      'oda-Sag.ndjson',
    ]);
    const manifest = JSON.parse(await readFile(join(request.directory, 'manifest.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    const measured = all.map(async (format) => ({
      name: `oda-Sag.${format}`,
      format,
      records: 5000,
      ...(await measureFile(join(request.directory, `oda-Sag.${format}`))),
    }));
    expect(manifest).toEqual({ run: '7', source: 'oda', files: await Promise.all(measured) });
  });

  it('replaces an earlier export, and twice is once', async () => {
    const directory = await temporaryDirectory();
    await (await writeExports(await exportRequest(texts, { directory, manifest: { generation: 1 } }))).publish();
    const staged = await writeExports(await exportRequest(['{"id":1}'], { directory, manifest: { generation: 2 } }));
    await Promise.all([staged.publish(), staged.publish()]);
    expect(await filesIn(directory)).toEqual(['manifest.json', 'oda-Sag.ndjson']);
    expect(await readFile(join(directory, 'oda-Sag.ndjson'), 'utf8')).toBe('{"id":1}\n');
    expect(await readFile(join(directory, 'manifest.json'), 'utf8')).toContain('"generation": 2');
  });

  it('takes away what earlier exports of the same wrote in other formats, and nothing else', async () => {
    const directory = await temporaryDirectory();
    await (await writeExports(await exportRequest(texts, { directory, formats: all }))).publish();
    for (const name of ['oda-Sag.xlsx', 'oda-Sagstrin.csv', 'notes.txt']) await writeFile(join(directory, name), 'own');
    await (await writeExports(await exportRequest(['{"id":1}'], { directory, formats: ['json'] }))).publish();
    expect(await filesIn(directory)).toEqual([
      ...['manifest.json', 'notes.txt', 'oda-Sag.json', 'oda-Sag.xlsx', 'oda-Sagstrin.csv'],
    ]);
  });

  it('has no manifest beside files that it could not take away', async () => {
    const request = await exportRequest(texts, { formats: ['ndjson'] });
    await (await writeExports(request)).publish();
    await mkdir(join(request.directory, 'oda-Sag.csv'));
    const staged = await writeExports(await exportRequest(texts, { directory: request.directory }));
    expect(await failure(staged.publish())).toMatchObject({ path: join(request.directory, 'oda-Sag.csv') });
    await staged.discard();
    expect(await filesIn(request.directory)).toEqual(['oda-Sag.csv', 'oda-Sag.ndjson']);
  });

  it('leaves the earlier export alone when the manifest cannot be written', async () => {
    const directory = await temporaryDirectory();
    await (await writeExports(await exportRequest(['{"id":1}'], { directory, manifest: { generation: 1 } }))).publish();
    const unwritable = await exportRequest(['{"id":2}'], { directory, manifest: { generation: 2n } });
    await expect(writeExports(unwritable)).rejects.toThrow(TypeError);
    expect(await filesIn(directory)).toEqual(['manifest.json', 'oda-Sag.ndjson']);
    expect(await readFile(join(directory, 'oda-Sag.ndjson'), 'utf8')).toBe('{"id":1}\n');
  });

  it('asks what the manifest says when the files are complete, and leaves nothing without an answer', async () => {
    const directory = await temporaryDirectory();
    const sizes: number[] = [];
    const manifest = async () => {
      for (const name of await filesIn(directory)) sizes.push((await measureFile(join(directory, name))).bytes);
      return { told: 'late' };
    };
    await (await writeExports(await exportRequest(texts, { directory, formats: ['json'], manifest }))).publish();
    expect(sizes).toEqual([(await measureFile(join(directory, 'oda-Sag.json'))).bytes]);
    expect(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8'))).toMatchObject({ told: 'late' });
    const untold = () => Promise.reject(new Error('nothing is known'));
    const other = await exportRequest(texts, { formats: all, manifest: untold });
    await expect(writeExports(other)).rejects.toThrow('nothing is known');
    expect(await filesIn(other.directory)).toEqual([]);
  });

  it('says which file stood in the way, and leaves no temporaries once discarded', async () => {
    const request = await exportRequest(texts, { formats: ['ndjson', 'csv'] });
    const staged = await writeExports(request);
    await mkdir(join(request.directory, 'oda-Sag.ndjson'));
    expect(await failure(staged.publish())).toMatchObject({ path: join(request.directory, 'oda-Sag.ndjson') });
    await staged.discard();
    expect(await filesIn(request.directory)).toEqual(['oda-Sag.ndjson']);
  });
});

describe('discarding', () => {
  it('removes everything, also twice', async () => {
    const request = await exportRequest(texts, { formats: all });
    const staged = await writeExports(request);
    await staged.discard();
    await staged.discard();
    expect(await filesIn(request.directory)).toEqual([]);
    expect((await failure(staged.publish())).code).toBe('io-failed');
    expect(await filesIn(request.directory)).toEqual([]);
  });

  it('does nothing after publishing', async () => {
    const request = await exportRequest(texts);
    const staged = await writeExports(request);
    await staged.publish();
    await staged.discard();
    expect(await filesIn(request.directory)).toEqual(['manifest.json', 'oda-Sag.ndjson']);
  });
});

describe('an export that fails', () => {
  it('leaves nothing when it is aborted half-way', async () => {
    const controller = new AbortController();
    async function* records() {
      yield* batchesOf(texts, 1000);
      controller.abort();
      yield* batchesOf(texts, 1000);
    }
    const request = await exportRequest([], { formats: all, records: records(), signal: controller.signal });
    const error = await failure(writeExports(request));
    expect(error).toMatchObject({ code: 'aborted', path: request.directory, cause: { name: 'AbortError' } });
    expect(error.message).toContain('after 5000 records');
    expect(await filesIn(request.directory)).toEqual([]);
  });

  it('leaves nothing when the records cannot be read, and closes their stream', async () => {
    let isClosed = false;
    const lost = new Error('connection lost');
    async function* records() {
      try {
        yield* batchesOf(texts, 1000);
        throw lost;
      } finally {
        isClosed = true;
      }
    }
    const request = await exportRequest([], { formats: all, records: records() });
    expect(await failure(writeExports(request))).toMatchObject({ code: 'records-failed', cause: lost });
    expect(isClosed).toBe(true);
    expect(await filesIn(request.directory)).toEqual([]);
  });

  it.each([
    ['[1]', 'a record is a JSON object'],
    ['null', 'a record is a JSON object'],
    ['{"id":', 'JSON'],
  ])('says which record was bad when one is %s', async (bad, reason) => {
    const request = await exportRequest([...texts, bad, '{}'], { formats: ['csv'] });
    const error = await failure(writeExports(request));
    expect(error.code).toBe('bad-record');
    expect(error.message).toContain('Record 5001 ');
    expect(error.message).toContain(reason);
    expect(await filesIn(request.directory)).toEqual([]);
  });

  it('says which record could not be shaped', async () => {
    const transform = (record: Record<string, unknown>) => {
      if (record['id'] === 4242) throw new Error('no period');
      return record;
    };
    const error = await failure(writeExports(await exportRequest(texts, { transform })));
    expect(error.message).toMatch(/Record 4243 .*no period/);
  });

  it.each([
    ['an unknown format', { formats: ['xml' as ExportFormat] }, 'ndjson, json, csv'],
    ['no format', { formats: [] }, 'nothing would be written'],
    ['CSV without columns', { formats: all, columns: [] }, 'CSV needs columns'],
    ['a name with a slash', { baseName: '../x' }, 'without slashes'],
    ['no name', { baseName: '' }, 'without slashes'],
  ])('refuses %s before it touches anything', async (_what, overrides, reason) => {
    const directory = join(await temporaryDirectory(), 'out');
    const error = await failure(writeExports(await exportRequest(texts, { ...overrides, directory })));
    expect(error.code).toBe('bad-request');
    expect(error.message).toContain(reason);
    await expect(filesIn(directory)).rejects.toThrow('ENOENT');
  });
});

describe('an export of several formats', () => {
  it('parses and shapes each record once', async () => {
    let calls = 0;
    const transform = (record: Record<string, unknown>) => {
      calls++;
      return record;
    };
    await (await writeExports(await exportRequest(texts, { formats: all, transform }))).discard();
    expect(calls).toBe(texts.length);
  });

  it('writes a format once that is asked for twice', async () => {
    const staged = await writeExports(await exportRequest(texts, { formats: ['csv', 'csv'] }));
    expect(staged.files.length).toBe(1);
    await staged.discard();
  });

  it('holds two buffers of what is not written yet at most, however fast records come', async () => {
    const directory = await temporaryDirectory();
    const large = JSON.stringify({ id: 1, titel: 'x'.repeat(300_000) });
    const unwritten: number[] = [];
    async function* records() {
      for (let batch = 0; batch < 12; batch++) {
        unwritten.push(batch * (large.length + 1) - (await sizeOfTemporaries(directory)));
        yield linesOf([large]);
      }
    }
    await (await writeExports(await exportRequest([], { directory, records: records() }))).discard();
    expect(unwritten).toHaveLength(12);
    expect(Math.max(...unwritten)).toBeLessThanOrEqual(2 * 512 * 1024);
  });

  it('keeps files of other exports in the directory', async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'other.csv'), 'x');
    await (await writeExports(await exportRequest(texts, { directory }))).discard();
    expect(await filesIn(directory)).toEqual(['other.csv']);
  });
});

async function sizeOfTemporaries(directory: string): Promise<number> {
  const measured = await Promise.all((await filesIn(directory)).map((name) => measureFile(join(directory, name))));
  return measured.reduce((sum, { bytes }) => sum + bytes, 0);
}
