import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadFolder } from '../../src/twin/folder-data.ts';
import { generateData } from '../../src/twin/generated-data.ts';
import { odaSchema } from '../../src/twin/oda-schema.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { hasRealData, realDataFolder, setup } from './setup.ts';

type Shape = {
  key: string[];
  properties: { name: string; type: string; nullable: boolean }[];
  navigation: { name: string; target: string }[];
};

const read = (name: string): string => readFileSync(join(realDataFolder, name), 'utf8');
const linesOf = (name: string): string[] =>
  gunzipSync(readFileSync(join(realDataFolder, name)))
    .toString('utf8')
    .trim()
    .split('\n');

describe.runIf(hasRealData)('against real records, the twin', () => {
  it('has the sets, fields, types and navigations of the real metadata', () => {
    const { entities } = JSON.parse(read('schema/entities-2021-11.json')) as { entities: Record<string, Shape> };
    expect([...odaSchema.keys()]).toEqual(Object.keys(entities));
    for (const [name, shape] of Object.entries(entities)) {
      const schema = odaSchema.get(name);
      expect([schema?.key]).toEqual(shape.key);
      expect(schema?.properties).toEqual(shape.properties);
      expect(schema?.navigation.map((link) => [link.name, link.target])).toEqual(
        shape.navigation.map((link) => [link.name, link.target]),
      );
    }
  });

  it('writes metadata made of the same elements and attributes', async () => {
    const { get } = await setup({ dataset: inlineData({}) });
    const outline = (xml: string): Set<string> =>
      new Set(
        [...xml.matchAll(/<([\w:]+)((?: [\w:]+="[^"]*")*) ?\/?>/g)].map(
          (match) => match[1] + (match[2] ?? '').replace(/="[^"]*"/g, ''),
        ),
      );
    const ours = Buffer.from(await (await get('$metadata')).arrayBuffer());
    expect(ours.subarray(0, 3).toString('hex')).toBe('efbbbf');
    expect(outline(ours.toString('utf8'))).toEqual(outline(read('schema/metadata-2016-01.edmx.xml')));
  });

  it('gives related rows in the numbers the real metadata says', async () => {
    const xml = read('schema/metadata-2016-01.edmx.xml');
    for (const schema of odaSchema.values()) {
      for (const { name, target, isMany } of schema.navigation) {
        const start = xml.indexOf(
          `<Association Name="FT_ODA_Domain_Models_${schema.name}_${name}_FT_ODA_Domain_Models_${target}_`,
        );
        if (start === -1) continue;
        const end = new RegExp(`Role="${name}" Multiplicity="([^"]+)"`).exec(xml.slice(start))?.[1];
        expect([schema.name, name, end]).toEqual([schema.name, name, isMany ? '*' : '0..1']);
      }
    }
  });

  it('answers a collection with a count in the captured shape', async () => {
    const captured = JSON.parse(read('verbatim/sagaktoer.json')) as { value: Record<string, unknown>[] };
    const { page } = await setup({ dataset: inlineData({ SagAktørRolle: captured.value }) });
    const ours = await page('SagAkt%C3%B8rRolle?$inlinecount=allpages');
    expect({ ...ours, 'odata.metadata': '' }).toEqual({ ...captured, 'odata.metadata': '' });
    expect(ours['odata.metadata']).toMatch(/\$metadata#SagAkt%C3%B8rRolle$/);
  });

  it('answers an empty collection and a single entity in the captured shapes', async () => {
    const { 'odata.metadata': context, ...row } = JSON.parse(read('verbatim/Afstemning-10530.2026.json')) as Record<
      string,
      unknown
    >;
    const { get, page, twin } = await setup({ dataset: inlineData({ Afstemning: [row] }) });
    const empty = JSON.parse(read('verbatim/stemme290.json')) as object;
    expect(Object.keys(await page('Stemme?$filter=afstemningid eq 290'))).toEqual(Object.keys(empty));
    const single = (await (await get('Afstemning(10530)')).json()) as Record<string, unknown>;
    expect(single).toEqual({ ...row, 'odata.metadata': String(context).replace('https://oda.ft.dk/api/', twin.url) });
    expect(Object.keys(single)).toEqual(['odata.metadata', ...Object.keys(row)]);
  });

  it('generates rows with the keys of the real ones, in their order', () => {
    const generated = generateData({ seed: 1, scale: 0.001 });
    for (const name of [
      '2014-12/Sag',
      '2014-12/Stemme',
      '2025-06/Afstemning',
      '2019-03/Aktør',
      '2019-03/Dagsordenspunkt',
    ]) {
      const real = JSON.parse(linesOf(`${name}.ndjson.gz`)[0] ?? '{}') as object;
      const ours = JSON.parse(generated.table(name.split('/')[1] ?? '')?.rows[0] ?? '{}') as object;
      expect(Object.keys(ours)).toEqual(Object.keys(real));
    }
  });

  it('serves 267,174 votes byte for byte, by ranges of keys', async () => {
    const { get, twin } = await setup({ dataset: loadFolder(join(realDataFolder, '2014-12')) });
    const lines = linesOf('2014-12/Stemme.ndjson.gz');
    expect(await (await get('Stemme/$count')).text()).toBe('267174');
    let next: string | undefined = `Stemme?$filter=${encodeURIComponent('id gt 300000 and id le 310000')}&$orderby=id`;
    const served: string[] = [];
    while (next !== undefined) {
      const text: string = await (await get(next)).text();
      served.push(text.slice(text.indexOf('[') + 1, text.lastIndexOf(']')));
      next = (JSON.parse(text) as Record<string, string>)['odata.nextLink'];
    }
    const expected = lines.filter(
      (line) => /^\{"id":(30\d{4}|310000),/.test(line) && !line.startsWith('{"id":300000,'),
    );
    expect(served.join(',')).toBe(expected.join(','));
    expect(twin.requests.length).toBeGreaterThan(50);
  });

  it('passes through the tie of 79,987 rows by timestamp and key', async () => {
    const { page } = await setup({ dataset: loadFolder(join(realDataFolder, '2014-12')) });
    const stamp = "datetime'2014-09-22T15:44:12'";
    const tie = await page(
      `Stemme?$filter=opdateringsdato eq ${stamp}&$inlinecount=allpages&$orderby=opdateringsdato,id`,
    );
    expect(tie['odata.count']).toBe('79987');
    const last = Number(tie.value.at(-1)?.['id']);
    const [following] = (
      await page(`Stemme?$filter=opdateringsdato eq ${stamp} and id gt ${last}&$orderby=opdateringsdato,id`)
    ).value;
    expect(Number(following?.['id'])).toBeGreaterThan(last);
  });

  it('replays later snapshots: rows gone, changed and come late', async () => {
    const { get, ids, twin } = await setup({ dataset: loadFolder(join(realDataFolder, '2014-12')) });
    expect((await get('Afstemning(477)')).status).toBe(200);
    expect(await ids('Afstemning?$filter=id eq 3')).toEqual([]);
    twin.replaceWith(loadFolder(join(realDataFolder, '2019-03')));
    expect((await get('Afstemning(477)')).status).toBe(404);
    expect(await ids('Afstemning?$filter=id eq 3')).toEqual([3]);
  });
});
