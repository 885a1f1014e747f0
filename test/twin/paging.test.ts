import { describe, expect, it } from 'vitest';
import { inlineData } from '../../src/twin/twin-data.ts';
import { manyRows, setup } from './setup.ts';

const dataset = inlineData({ Stemmetype: manyRows(250) });

describe('a collection', () => {
  it('names its metadata, holds its rows and links to the next page', async () => {
    const { page, twin } = await setup({ dataset });
    const first = await page('Stemmetype');
    expect(Object.keys(first)).toEqual(['odata.metadata', 'value', 'odata.nextLink']);
    expect(first['odata.metadata']).toBe(`${twin.url}$metadata#Stemmetype`);
    expect(first.value).toHaveLength(100);
    expect(first['odata.nextLink']).toBe(`${twin.url}Stemmetype?$skip=100`);
  });

  it('percent-encodes names in its addresses', async () => {
    const { page, twin } = await setup({
      dataset: inlineData({ Aktør: [{ id: 1 }, { id: 2 }] }),
      behaviour: { cap: 1 },
    });
    const first = await page('Akt%C3%B8r');
    expect(first['odata.metadata']).toBe(`${twin.url}$metadata#Akt%C3%B8r`);
    expect(first['odata.nextLink']).toBe(`${twin.url}Akt%C3%B8r?$skip=1`);
  });

  it('is walked from end to end by its links', async () => {
    const { page } = await setup({ dataset, behaviour: { cap: 20 } });
    const seen: unknown[] = [];
    let next: string | undefined = 'Stemmetype?$filter=id gt 5&$orderby=id desc';
    while (next !== undefined) {
      const current: Awaited<ReturnType<typeof page>> = await page(next);
      seen.push(...current.value.map((row) => row['id']));
      next = current['odata.nextLink'];
    }
    expect(seen).toEqual(Array.from({ length: 245 }, (_nothing, index) => 250 - index));
  });

  it('is empty for a known set without rows', async () => {
    const { page } = await setup({ dataset });
    expect((await page('Sag?$inlinecount=allpages')).value).toEqual([]);
  });
});

describe('the size of a page', () => {
  it('never exceeds the cap, whatever $top says', async () => {
    const { page } = await setup({ dataset });
    expect((await page('Stemmetype?$top=1000')).value).toHaveLength(100);
  });

  it('follows a smaller $top, and $skip without a limit', async () => {
    const { ids } = await setup({ dataset });
    expect(await ids('Stemmetype?$top=2&$skip=3')).toEqual([4, 5]);
    expect(await ids('Stemmetype?$skip=100000')).toEqual([]);
    expect(await ids('Stemmetype?$top=0')).toEqual([]);
  });

  it('changes with the behaviour while the twin runs', async () => {
    const { page, twin } = await setup({ dataset });
    twin.setBehaviour({ cap: 20 });
    expect((await page('Stemmetype?$top=100')).value).toHaveLength(20);
  });
});

describe('the next link', () => {
  it('does not stand where the client set the limit', async () => {
    const { page } = await setup({ dataset });
    expect((await page('Stemmetype?$top=100'))['odata.nextLink']).toBeUndefined();
  });

  it('does not stand on the last page', async () => {
    const { page } = await setup({ dataset });
    expect((await page('Stemmetype?$skip=150'))['odata.nextLink']).toBeUndefined();
    expect((await page('Stemmetype?$skip=149'))['odata.nextLink']).toBeDefined();
  });

  it('lowers a $top above the cap by the rows served, and carries the rest of the query', async () => {
    const { page, twin } = await setup({ dataset });
    const first = await page('Stemmetype?%24top=150&$filter=id gt 0&$inlinecount=allpages');
    expect(first['odata.nextLink']).toBe(
      `${twin.url}Stemmetype?$top=50&$filter=id%20gt%200&$inlinecount=allpages&$skip=100`,
    );
    const second = await page(first['odata.nextLink'] ?? '');
    expect(second.value).toHaveLength(50);
    expect(second['odata.nextLink']).toBeUndefined();
  });

  it('can stand under a small $top too, never, or lead to itself', async () => {
    const { page, twin } = await setup({ dataset, behaviour: { nextLink: 'always' } });
    expect((await page('Stemmetype?$top=10'))['odata.nextLink']).toBe(`${twin.url}Stemmetype?$top=10&$skip=10`);
    twin.setBehaviour({ nextLink: 'never' });
    expect((await page('Stemmetype'))['odata.nextLink']).toBeUndefined();
    twin.setBehaviour({ nextLink: 'loop' });
    expect((await page('Stemmetype?$skip=100'))['odata.nextLink']).toBe(`${twin.url}Stemmetype?$skip=100`);
  });
});

describe('the count', () => {
  it('is a string, and comes only when it is asked for', async () => {
    const { page } = await setup({ dataset });
    expect((await page('Stemmetype?$inlinecount=allpages&$top=1'))['odata.count']).toBe('250');
    expect((await page('Stemmetype?$inlinecount=none&$top=1'))['odata.count']).toBeUndefined();
    expect((await page('Stemmetype?$inlinecount=allpages&$filter=id le 30&$skip=29'))['odata.count']).toBe('30');
    expect((await page("Stemmetype?$inlinecount=allpages&$filter=endswith(type,'9')"))['odata.count']).toBe('25');
  });

  it('is plain text at $count, with a filter too', async () => {
    const { get } = await setup({ dataset });
    const response = await get('Stemmetype/$count?$filter=id gt 100');
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(await response.text()).toBe('150');
    expect(await (await get('Stemmetype/%24count')).text()).toBe('250');
  });

  it('can be a number, missing, or wrong', async () => {
    const { get, page, twin } = await setup({ dataset, behaviour: { count: 'number', countError: 3 } });
    expect((await page('Stemmetype?$inlinecount=allpages'))['odata.count']).toBe(253);
    expect(await (await get('Stemmetype/$count')).text()).toBe('253');
    twin.setBehaviour({ count: 'missing' });
    expect((await page('Stemmetype?$inlinecount=allpages'))['odata.count']).toBeUndefined();
  });
});

describe('the order of rows', () => {
  it('is ascending by id unless the query says otherwise', async () => {
    const { ids } = await setup({ dataset });
    expect(await ids('Stemmetype?$top=3')).toEqual([1, 2, 3]);
    expect(await ids('Stemmetype?$top=3&$orderby=id desc')).toEqual([250, 249, 248]);
  });

  it('follows several fields, with null first and the id last', async () => {
    const rows = [
      { id: 1, type: 'b', opdateringsdato: '2020-01-02T00:00:00' },
      { id: 2, type: null, opdateringsdato: '2020-01-01T00:00:00.87' },
      { id: 3, type: 'a', opdateringsdato: '2020-01-02T00:00:00' },
      { id: 4, type: 'b', opdateringsdato: '2020-01-01T00:00:00.867' },
    ];
    const { ids } = await setup({ dataset: inlineData({ Stemmetype: rows }) });
    expect(await ids('Stemmetype?$orderby=type')).toEqual([2, 3, 1, 4]);
    expect(await ids('Stemmetype?$orderby=type desc,opdateringsdato asc')).toEqual([4, 1, 3, 2]);
    expect(await ids('Stemmetype?$orderby=opdateringsdato,id desc')).toEqual([4, 2, 3, 1]);
  });

  it('can be ignored, and is then the same for every page', async () => {
    const { ids } = await setup({ dataset, behaviour: { orderBy: 'shuffle' } });
    const first = await ids('Stemmetype?$orderby=id');
    expect(first).not.toEqual(first.toSorted((left, right) => left - right));
    const rest = [...(await ids('Stemmetype?$orderby=id&$skip=100')), ...(await ids('Stemmetype?$skip=200'))];
    expect(new Set([...first, ...rest]).size).toBe(250);
  });
});
