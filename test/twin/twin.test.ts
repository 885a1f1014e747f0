import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadFolder } from '../../src/twin/folder-data.ts';
import { generateData } from '../../src/twin/generated-data.ts';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { startTwin } from '../../src/twin/start-twin.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { manyRows, setup } from './setup.ts';

const main = resolve(import.meta.dirname, '../../src/twin/main.ts');

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'twin-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe('rows handed in', () => {
  it('are served byte for byte, however odd', async () => {
    const rows = [
      '{"id":1,"navn":"\\u0000","typeid":1152921504606846976}',
      '{"id":2, "navn" : "\\ud83d"}',
      { key: 3, text: '{"navn":"without a key"}' },
      { key: 4, text: '{"id":"four"}' },
      { key: 5, text: 'null' },
    ];
    const { get } = await setup({ dataset: inlineData({ Aktør: rows }) });
    const text = await (await get('Akt%C3%B8r?$filter=id gt 0&$orderby=id')).text();
    const expected = rows.map((row) => (typeof row === 'string' ? row : row.text)).join(',');
    expect(text).toContain(`"value":[${expected}]`);
  });

  it('may be objects with integers beyond 2^53, and a filter finds those exactly', async () => {
    const schema = [parseEntitySchema('Big', 'id:l name:s?')];
    const rows = [{ id: 2n ** 60n }, { id: 2n ** 60n + 1n }, { id: 5 }];
    const { get } = await setup({ dataset: inlineData({ Big: rows }, { schema }) });
    expect(await (await get('Big?$filter=id gt 1152921504606846976')).text()).toContain('[{"id":1152921504606846977}]');
    expect((await get('Big(1152921504606846977)')).status).toBe(200);
  });

  it('make a set of their own, with a schema guessed from them', async () => {
    const dataset = inlineData({
      Widget: [{ id: 'b', size: 1.5, made: '2020-01-01T00:00:00', ok: true }, { id: 'a' }],
    });
    const { get, page } = await setup({ dataset });
    expect((await page("Widget?$filter=id gt 'a'&$orderby=id")).value).toHaveLength(1);
    expect((await get("Widget('a')")).status).toBe(200);
    expect(await (await get('$metadata')).text()).toContain('<Property Name="made" Type="Edm.DateTime" />');
  });

  it('come in the order of their keys, with double keys kept', async () => {
    const { ids } = await setup({ dataset: inlineData({ Stemmetype: [{ id: 9 }, { id: 2 }, { id: 2 }, { id: 1 }] }) });
    expect(await ids('Stemmetype')).toEqual([1, 2, 2, 9]);
  });

  it('must be JSON when their key has to be read from them', () => {
    expect(() => inlineData({ Aktør: ['{oops'] })).toThrow(SyntaxError);
  });
});

describe('data that changes while it is served', () => {
  it('shows rows put in, replaced and removed, and leaves the dataset alone', async () => {
    const dataset = inlineData({ Stemmetype: manyRows(5) });
    const { get, ids, twin } = await setup({ dataset });
    expect(await ids("Stemmetype?$filter=type eq 'new'")).toEqual([]);
    twin.put('Stemmetype', { id: 3, type: 'new' });
    twin.put('Stemmetype', '{"id":9,"type":"new"}');
    expect(twin.remove('Stemmetype', 1)).toBe(true);
    expect(twin.remove('Stemmetype', 1)).toBe(false);
    expect(await ids('Stemmetype')).toEqual([2, 3, 4, 5, 9]);
    expect(await ids("Stemmetype?$filter=type eq 'new'")).toEqual([3, 9]);
    expect((await get('Stemmetype(1)')).status).toBe(404);
    expect(dataset.table('Stemmetype')?.keys).toEqual([1, 2, 3, 4, 5]);
    expect(() => twin.put('Nope', { id: 1 })).toThrow('Nope');
  });

  it('can be replaced as a whole by a later snapshot', async () => {
    const { ids, twin } = await setup({ dataset: inlineData({ Stemmetype: manyRows(2) }) });
    twin.put('Stemmetype', { id: 3 });
    twin.replaceWith(inlineData({ Stemmetype: [{ id: 7 }] }));
    expect(await ids('Stemmetype')).toEqual([7]);
  });
});

describe('a folder', () => {
  it('is read from plain and compressed files, and served byte for byte', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'Stemmetype.ndjson'), '{"type":"key last","id":2}\n{"id":1,  "type":null}\r\n\n');
    writeFileSync(join(folder, 'Aktør.ndjson.gz'.normalize('NFD')), gzipSync('{"id":10,"navn":"Åse"}\n'));
    writeFileSync(join(folder, 'notes.txt'), 'passed over');
    const { get, ids } = await setup({ dataset: loadFolder(folder) });
    expect(await (await get('Stemmetype')).text()).toContain('[{"id":1,  "type":null}\r,{"type":"key last","id":2}]');
    expect(await ids('Akt%C3%B8r')).toEqual([10]);
  });

  it('without data is an error that names it', () => {
    const folder = temporaryFolder();
    expect(() => loadFolder(folder)).toThrow(folder);
  });
});

describe('a twin', () => {
  it('remembers its requests, in memory and in a file', async () => {
    const requestLogFile = join(temporaryFolder(), 'requests.ndjson');
    const { get, twin } = await setup({ dataset: inlineData({ Aktør: [{ id: 1 }, { id: 2 }] }), requestLogFile });
    await (await get('Akt%C3%B8r?%24filter=id%20gt%201')).text();
    await (await get('Nope')).text();
    expect(twin.requests).toMatchObject([
      { method: 'GET', path: '/api/Aktør?$filter=id gt 1', entity: 'Aktør', status: 200, rows: 1, fault: null },
      { path: '/api/Nope', entity: null, status: 404, rows: 0 },
    ]);
    expect(
      readFileSync(requestLogFile, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(twin.requests);
    twin.clearRequests();
    expect(twin.requests).toEqual([]);
  });

  it('waits as long as it is told', async () => {
    const { get, twin } = await setup({ dataset: inlineData({}), latencyMs: { min: 30, max: 40 } });
    await get('Sag');
    twin.setBehaviour({ latencyMs: 20 });
    await get('Sag');
    expect(twin.requests[0]?.durationMs).toBeGreaterThan(28);
    expect(twin.requests[1]?.durationMs).toBeGreaterThan(18);
  });

  it('stands under another prefix if asked to', async () => {
    const { page, twin } = await setup({ dataset: inlineData({ Sag: [{ id: 1 }] }), pathPrefix: '/odata/v3/' });
    expect(twin.url).toBe(`http://127.0.0.1:${twin.port}/odata/v3/`);
    expect((await page('Sag'))['odata.metadata']).toBe(`${twin.url}$metadata#Sag`);
  });

  it('stops twice, with connections open, and refuses a port that is taken', async () => {
    const { get, twin } = await setup({ dataset: inlineData({}) });
    await get('Sag');
    await expect(startTwin({ dataset: inlineData({}), port: twin.port })).rejects.toThrow('EADDRINUSE');
    await Promise.all([twin.stop(), twin.stop()]);
    await twin.stop();
    await expect(get('Sag')).rejects.toThrow();
  });

  it('answers a range of keys out of many rows without looking at the others', async () => {
    const dataset = generateData({ seed: 3, scale: 0.05, entities: ['Stemme'] });
    const { ids } = await setup({ dataset });
    const table = dataset.table('Stemme');
    const last = Number(table?.keys.at(-1));
    expect(await ids('Stemme?$orderby=id desc&$top=1')).toEqual([last]);
    expect((await ids(`Stemme?$filter=id gt ${last - 1000} and id le ${last}&$orderby=id`)).length).toBeGreaterThan(0);
    // No field was ever read from a row: the keys alone answered.
    expect(table?.columns.size).toBe(0);
  });
});

describe('the command', () => {
  it('prints its address, serves, logs, and ends on SIGTERM', async () => {
    const log = join(temporaryFolder(), 'requests.ndjson');
    const child = spawn(process.execPath, [
      main,
      '--scale',
      '0.001',
      '--seed',
      '5',
      '--request-log',
      log,
      '--behaviour',
      '{"cap":7}',
    ]);
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    const answer = (await (await fetch(`${url}Stemme`)).json()) as { value: unknown[] };
    expect(answer.value).toHaveLength(7);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(readFileSync(log, 'utf8')).toContain('"entity":"Stemme"');
  });

  it.each([['--port', 'x'], ['--nope'], ['--scale', '-1']])('refuses %s %s with status 2', async (...words) => {
    const run = promisify(execFile)(process.execPath, [main, ...words]);
    await expect(run).rejects.toMatchObject({ code: 2 });
  });
});
