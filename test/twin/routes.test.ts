import { describe, expect, it } from 'vitest';
import { odaSchema } from '../../src/twin/oda-schema.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { manyRows, setup } from './setup.ts';

const ballots = Array.from({ length: 130 }, (_nothing, index) => ({
  id: index + 1,
  typeid: 1 + (index % 4),
  afstemningid: index < 120 ? 10 : 11,
  aktørid: 1 + (index % 2),
  opdateringsdato: '2020-01-01T00:00:00',
}));
const dataset = inlineData({
  Afstemning: [
    { id: 10, nummer: 1, typeid: 1 },
    { id: 11, nummer: 2, typeid: 9 },
    { id: 12, nummer: 3, typeid: null },
  ],
  Stemme: ballots,
  Aktør: [
    { id: 1, navn: 'Åse' },
    { id: 2, navn: 'Bo' },
  ],
  Afstemningstype: [{ id: 1, type: 'Endelig vedtagelse' }],
});

describe('a single entity', () => {
  it('is a flat object that names its metadata first', async () => {
    const { get, twin } = await setup({ dataset });
    const text = await (await get('Akt%C3%B8r(1)')).text();
    expect(text).toBe(`{"odata.metadata":"${twin.url}$metadata#Akt%C3%B8r/@Element","id":1,"navn":"Åse"}`);
  });

  it('answers 404 with an empty body when the id is not there', async () => {
    const { get } = await setup({ dataset });
    const response = await get('Stemme(999)');
    expect([response.status, await response.text(), response.headers.get('content-type')]).toEqual([404, '', null]);
  });
});

describe('$select', () => {
  it('keeps the fields it names', async () => {
    const { page } = await setup({ dataset });
    const answer = await page('Stemme?$select=id,typeid&$top=1');
    expect(answer.value).toEqual([{ id: 1, typeid: 1 }]);
    expect(answer['odata.metadata']).toMatch(/#Stemme&\$select=id,typeid$/);
  });

  it('leaves the bytes of values alone', async () => {
    const row =
      '{"id":1,"navn":"a\\u0000\\ud800","fornavn":1152921504606846977,"x":{"y":[1.50,"}"]}, "efternavn" : "z" }';
    const { get } = await setup({ dataset: inlineData({ Aktør: [row] }) });
    expect(await (await get('Akt%C3%B8r?$select=navn,fornavn,efternavn')).text()).toContain(
      '[{"navn":"a\\u0000\\ud800","fornavn":1152921504606846977,"efternavn":"z"}]',
    );
  });

  it('answers 400 to an unknown field', async () => {
    const { get } = await setup({ dataset });
    expect((await get('Stemme?$select=id,nope')).status).toBe(400);
    expect((await get('Stemme?$select=id,,typeid')).status).toBe(400);
  });
});

describe('$expand', () => {
  it('puts the related row, or null, inside', async () => {
    const { page } = await setup({ dataset });
    const { value } = await page('Afstemning?$expand=Afstemningstype');
    expect(value.map((row) => row['Afstemningstype'])).toEqual([{ id: 1, type: 'Endelig vedtagelse' }, null, null]);
  });

  it('cuts a collection at the cap, with a link inside the parent that leads to the rest', async () => {
    const { page, ids, twin } = await setup({ dataset });
    const { value } = await page('Afstemning?$expand=Stemme');
    expect(value.map((row) => (row['Stemme'] as unknown[]).length)).toEqual([100, 10, 0]);
    expect(value[0]?.['Stemme@odata.nextLink']).toBe(`${twin.url}Afstemning(10)/Stemme?$skip=100`);
    expect(value[1]).not.toHaveProperty('Stemme@odata.nextLink');
    expect(await ids(String(value[0]?.['Stemme@odata.nextLink']))).toEqual(ballots.slice(100, 120).map(({ id }) => id));
  });

  it('goes two levels deep and no further', async () => {
    const { get, page } = await setup({ dataset });
    const { value } = await page('Afstemning?$expand=Stemme/Akt%C3%B8r,Afstemningstype&$filter=id eq 11');
    const stemmer = value[0]?.['Stemme'] as Record<string, unknown>[];
    expect(stemmer[0]?.['Aktør']).toEqual({ id: 1, navn: 'Åse' });
    expect(value[0]).toHaveProperty('Afstemningstype', null);
    expect((await get('Afstemning?$expand=Stemme/Akt%C3%B8r/Periode')).status).toBe(400);
    expect((await get('Afstemning?$expand=Nope')).status).toBe(400);
  });

  it('sends what $select mentions only', async () => {
    const { page } = await setup({ dataset });
    const query = 'Afstemning?$filter=id eq 11&$expand=Stemme&$select=id';
    expect((await page(query)).value).toEqual([{ id: 11 }]);
    expect(Object.keys((await page(`${query},Stemme`)).value[0] ?? {})).toEqual(['Stemme', 'id']);
    const [row] = (await page(`${query},Stemme/id`)).value;
    expect(row).toHaveProperty(['Stemme', 0], { id: 121 });
  });

  it('works for a single entity, and a navigation is a place of its own', async () => {
    const { get } = await setup({ dataset });
    expect(await (await get('Stemme(2)?$expand=Akt%C3%B8r')).json()).toMatchObject({
      Aktør: { id: 2, navn: 'Bo' },
      id: 2,
    });
    expect(await (await get('Stemme(2)/Akt%C3%B8r')).json()).toMatchObject({ id: 2, navn: 'Bo' });
    expect((await get('Afstemning(12)/Afstemningstype')).status).toBe(404);
  });
});

describe('what is not there', () => {
  it.each(['Nope', 'Sag/Nope', 'Sambehandlinger', '/elsewhere'])(
    'answers %s with an HTML page and 404',
    async (target) => {
      const { get } = await setup({ dataset });
      const response = await get(target);
      expect(response.status).toBe(404);
      expect(response.headers.get('content-type')).toBe('text/html');
      expect(await response.text()).toContain('<html');
    },
  );

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('answers %s with JSON and 501', async (method) => {
    const { get } = await setup({ dataset });
    const response = await get('Stemme', { method, ...(method === 'DELETE' ? {} : { body: '{}' }) });
    expect(response.status).toBe(501);
    expect(await response.json()).toHaveProperty(['odata.error']);
  });

  it.each([
    '$top=-1',
    '$top=x',
    '$skip=1.5',
    '$inlinecount=yes',
    '$nope=1',
    '$orderby=',
    '$orderby=nope',
    '$orderby=id,nope',
    '$top=1&$top=2',
    '$filter=%E0%A4',
  ])('answers %s with 400', async (query) => {
    const { get } = await setup({ dataset });
    expect((await get(`Stemme?${query}`)).status).toBe(400);
  });

  it('gives a 400 the body that is asked for', async () => {
    const { get, twin } = await setup({ dataset, behaviour: { errorBody: 'json' } });
    expect(await (await get('Stemme?$top=x')).json()).toHaveProperty(['odata.error', 'message', 'value']);
    twin.setBehaviour({ errorBody: 'html' });
    expect(await (await get('Stemme?$top=x')).text()).toContain('<html');
  });
});

describe('the descriptions of the service', () => {
  it('list all 50 sets', async () => {
    const { get } = await setup({ dataset });
    const service = (await (await get('')).json()) as { value: { name: string; url: string }[] };
    expect(service.value.map(({ name }) => name)).toEqual([...odaSchema.keys()]);
    expect(service.value).toHaveLength(50);
    expect((await get('/api')).status).toBe(200);
  });

  it('hold every type, key, property and navigation', async () => {
    const { get } = await setup({ dataset });
    const response = await get('%24metadata');
    const xml = await response.text();
    expect(response.headers.get('content-type')).toContain('application/xml');
    expect(xml.match(/<EntityType /g)).toHaveLength(50);
    expect(xml.match(/<EntitySet /g)).toHaveLength(50);
    expect(xml).toContain('<Property Name="mødeid" Type="Edm.Int32" Nullable="false" />');
    expect(xml).toContain('<Property Name="konklusion" Type="Edm.String" />');
    const relationships = [...xml.matchAll(/Relationship="FT\.Domain\.Models\.([^"]+)"/g)].map((match) => match[1]);
    for (const name of relationships) expect(xml).toContain(`<Association Name="${name}">`);
  });

  it('carry no ETag and no Last-Modified', async () => {
    const { get } = await setup({ dataset });
    const { headers } = await get('Stemme?$top=1');
    expect([headers.get('etag'), headers.get('last-modified')]).toEqual([null, null]);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  });
});

describe('compression', () => {
  it('is off by default and on when asked for', async () => {
    const { get, page, twin } = await setup({ dataset: inlineData({ Stemmetype: manyRows(100) }) });
    expect((await get('Stemmetype')).headers.get('content-encoding')).toBeNull();
    twin.setBehaviour({ gzip: true });
    expect((await get('Stemmetype')).headers.get('content-encoding')).toBe('gzip');
    expect((await page('Stemmetype')).value).toHaveLength(100);
    expect(
      (await get('Stemmetype', { headers: { 'accept-encoding': 'identity' } })).headers.get('content-encoding'),
    ).toBeNull();
  });
});
