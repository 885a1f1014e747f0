import { describe, expect, it } from 'vitest';
import { chooseFault, createFaultMemory, type FaultRule, type RequestFacts } from '../../src/twin/faults.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { manyRows, setup } from './setup.ts';

const dataset = inlineData({ Stemmetype: manyRows(250), Aktørtype: manyRows(3) });

function facts(ordinal: number, change: Partial<RequestFacts> = {}): RequestFacts {
  const path = `/api/Stemmetype?$skip=${ordinal}`;
  return {
    ordinal,
    entityOrdinal: ordinal,
    method: 'GET',
    path,
    entity: 'Stemmetype',
    firstKey: 1,
    lastKey: 100,
    ...change,
  };
}

describe('a fault', () => {
  it('can be another status, with Retry-After in seconds', async () => {
    const fault = { kind: 'status', status: 429, retryAfter: { inSeconds: 7 } } as const;
    const { get } = await setup({ dataset, behaviour: { faults: [{ fault, count: 1 }] } });
    const response = await get('Stemmetype');
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([429, '7', '']);
    expect((await get('Stemmetype')).status).toBe(200);
  });

  it('can be another status, with Retry-After as a date', async () => {
    const fault = { kind: 'status', status: 503, retryAfter: { dateInSeconds: 60 }, body: '<h1>down</h1>' } as const;
    const { get } = await setup({ dataset, behaviour: { faults: [{ fault }] } });
    const response = await get('Stemmetype');
    const ahead = Date.parse(response.headers.get('retry-after') ?? '') - Date.now();
    expect(ahead).toBeGreaterThan(50_000);
    expect(ahead).toBeLessThanOrEqual(60_000);
    expect(await response.text()).toBe('<h1>down</h1>');
  });

  it('can reset the connection, before or within the body', async () => {
    const { get, twin } = await setup({ dataset, behaviour: { faults: [{ fault: { kind: 'reset' } }] } });
    await expect(get('Stemmetype')).rejects.toThrow();
    twin.setBehaviour({ faults: [{ fault: { kind: 'reset', afterBytes: 50 } }] });
    await expect(get('Stemmetype').then((response) => response.text())).rejects.toThrow();
    expect(twin.requests.map(({ status, fault }) => [status, fault])).toEqual([
      [0, 'reset'],
      [200, 'reset'],
    ]);
  });

  it('can cut a body short of its length', async () => {
    const fault = { kind: 'truncated-body', sentShare: 0.9 } as const;
    const { get } = await setup({ dataset, behaviour: { faults: [{ fault }] } });
    const response = await get('Stemmetype');
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(1000);
    await expect(response.text()).rejects.toThrow();
  });

  it('can be a page of HTML, or JSON of another shape, with 200', async () => {
    const { get, twin } = await setup({ dataset, behaviour: { faults: [{ fault: { kind: 'html-body' } }] } });
    const html = await get('Stemmetype');
    expect([html.status, html.headers.get('content-type')]).toEqual([200, 'text/html']);
    expect(await html.text()).toContain('<html');
    twin.setBehaviour({ faults: [{ fault: { kind: 'other-shape' } }] });
    expect(await (await get('Stemmetype')).json()).toHaveProperty('error');
    twin.setBehaviour({ faults: [{ fault: { kind: 'other-shape', body: '[1' } }] });
    await expect((await get('Stemmetype')).json()).rejects.toThrow();
  });

  it('can send the body slowly, yet whole', async () => {
    const fault = { kind: 'slow-body', durationMs: 60, pieces: 3 } as const;
    const { page, twin } = await setup({ dataset, behaviour: { faults: [{ fault }] } });
    expect((await page('Stemmetype')).value).toHaveLength(100);
    expect(twin.requests[0]?.durationMs).toBeGreaterThan(50);
  });

  it('can hang until the client gives up, or for a time', async () => {
    const { get, page, twin } = await setup({ dataset, behaviour: { faults: [{ fault: { kind: 'hang' } }] } });
    await expect(get('Stemmetype', { signal: AbortSignal.timeout(50) })).rejects.toThrow();
    twin.setBehaviour({ faults: [{ fault: { kind: 'hang', forMs: 30 } }] });
    expect((await page('Stemmetype')).value).toHaveLength(100);
  });

  it('does not keep a twin from stopping while a request hangs', async () => {
    const { get, twin } = await setup({ dataset, behaviour: { faults: [{ fault: { kind: 'hang' } }] } });
    const hanging = expect(get('Stemmetype')).rejects.toThrow();
    await expect.poll(() => get('Stemmetype', { signal: AbortSignal.timeout(20) }).catch(() => 'hung')).toBe('hung');
    await twin.stop();
    await twin.stop();
    await hanging;
  });

  it('can repeat or drop the last rows of a page', async () => {
    const { ids, twin } = await setup({
      dataset,
      behaviour: { faults: [{ fault: { kind: 'duplicated-rows', rows: 2 } }] },
    });
    expect(await ids('Stemmetype?$top=3')).toEqual([1, 2, 3, 2, 3]);
    twin.setBehaviour({ faults: [{ fault: { kind: 'missing-rows' } }] });
    expect(await ids('Stemmetype?$top=3')).toEqual([1, 2]);
    expect(twin.requests.map(({ rows }) => rows)).toEqual([5, 2]);
  });
});

describe('a shifted page', () => {
  const shifted = (rows: number) => ({ faults: [{ fault: { kind: 'shifted-rows', rows } }] }) as const;

  it('begins with rows of the page before when rows were inserted, and is as long as ever', async () => {
    const { ids, page, twin } = await setup({ dataset, behaviour: shifted(2) });
    expect(await ids('Stemmetype?$skip=100&$top=4')).toEqual([99, 100, 101, 102]);
    expect(await ids('Stemmetype?$filter=id gt 100&$top=4')).toEqual([99, 100, 101, 102]);
    expect(await ids('Stemmetype?$filter=id gt 100&$skip=1&$top=4')).toEqual([100, 101, 102, 103]);
    expect(await ids('Stemmetype?$filter=id le 200&$orderby=id desc&$top=3')).toEqual([202, 201, 200]);
    expect(await ids('Stemmetype?$skip=248')).toEqual([247, 248, 249, 250]);
    expect((await page('Stemmetype?$skip=150'))['odata.nextLink']).toBe(`${twin.url}Stemmetype?$skip=250`);
    expect(twin.requests[0]).toMatchObject({ status: 200, rows: 4, fault: 'shifted-rows' });
  });

  it('goes on beyond its end when rows were deleted, and not beyond its filter', async () => {
    const { ids, page } = await setup({ dataset, behaviour: shifted(-2) });
    expect(await ids('Stemmetype?$skip=100&$top=4')).toEqual([103, 104, 105, 106]);
    expect(await ids('Stemmetype?$filter=id gt 100&$top=4')).toEqual([103, 104, 105, 106]);
    expect(await ids('Stemmetype?$filter=id gt 100 and id le 104&$top=4')).toEqual([103, 104]);
    expect(await ids("Stemmetype?$filter=id gt 100 and endswith(type,'9')&$top=2")).toEqual([129, 139]);
    expect((await page('Stemmetype?$skip=148'))['odata.nextLink']).toBeUndefined();
  });

  it('has nothing in front of the first row', async () => {
    const { ids } = await setup({ dataset, behaviour: shifted(2) });
    expect(await ids('Stemmetype?$top=3')).toEqual([1, 2, 3]);
    expect(await ids('Stemmetype?$skip=1&$top=3')).toEqual([1, 2, 3]);
    expect(await ids("Stemmetype?$filter=endswith(type,'9')&$top=2")).toEqual([9, 19]);
  });

  it('stands once, where a rule says so, by the rows that it would have held', async () => {
    const faults: FaultRule[] = [{ fault: { kind: 'shifted-rows', rows: -1 }, where: { key: 150 }, count: 1 }];
    const { ids } = await setup({ dataset, behaviour: { faults } });
    expect(await ids('Stemmetype?$filter=id gt 150&$top=1')).toEqual([151]);
    expect(await ids('Stemmetype?$filter=id ge 150&$top=1')).toEqual([151]);
    expect(await ids('Stemmetype?$filter=id ge 150&$top=1')).toEqual([150]);
  });
});

describe('a wrong count', () => {
  it('is off in the answers that it strikes, on top of what is always off', async () => {
    const faults: FaultRule[] = [{ fault: { kind: 'wrong-count', by: -7 }, count: 2 }];
    const { get, page, twin } = await setup({ dataset, behaviour: { faults, countError: 1 } });
    const counted = await page('Stemmetype?$inlinecount=allpages&$top=2');
    expect([counted['odata.count'], counted.value.length]).toEqual(['244', 2]);
    expect(await (await get('Stemmetype/$count?$filter=id gt 100')).text()).toBe('144');
    expect(await (await get('Stemmetype/$count')).text()).toBe('251');
    expect(twin.requests.map(({ fault }) => fault)).toEqual(['wrong-count', 'wrong-count', null]);
  });
});

describe('the place of a fault', () => {
  const status = { kind: 'status', status: 500 } as const;

  it('can be a set, and the ordinal of a request for it', async () => {
    const faults: FaultRule[] = [{ fault: status, where: { entity: 'Stemmetype', ordinals: [2] } }];
    const { get } = await setup({ dataset, behaviour: { faults } });
    const statuses: number[] = [];
    for (const target of ['Stemmetype', 'Akt%C3%B8rtype', 'Stemmetype', 'Stemmetype'])
      statuses.push((await get(target)).status);
    expect(statuses).toEqual([200, 200, 500, 200]);
  });

  it('can be the page that holds a key, in either order', async () => {
    const { get } = await setup({ dataset, behaviour: { faults: [{ fault: status, where: { key: 150 } }] } });
    expect((await get('Stemmetype?$filter=id gt 100 and id le 200')).status).toBe(500);
    expect((await get('Stemmetype?$filter=id gt 100 and id le 200&$orderby=id desc')).status).toBe(500);
    expect((await get('Stemmetype?$filter=id gt 150')).status).toBe(200);
    expect((await get('Stemmetype(150)')).status).toBe(500);
  });

  it('can be part of the address, or whatever a function says', async () => {
    const faults: FaultRule[] = [
      { fault: status, where: { pathIncludes: '$skip=100' } },
      { fault: { kind: 'status', status: 502 }, where: { matches: (request) => request.ordinal === 3 } },
    ];
    const { get } = await setup({ dataset, behaviour: { faults } });
    expect((await get('Stemmetype?%24skip=100')).status).toBe(500);
    expect((await get('Stemmetype')).status).toBe(200);
    expect((await get('Stemmetype')).status).toBe(502);
  });
});

describe('the rate of a fault', () => {
  const rules: FaultRule[] = [{ fault: { kind: 'reset' }, rate: 0.1 }];
  const strikes = (seed: number, ordinals: readonly number[]): Set<number> => {
    const state = { seed, memory: createFaultMemory() };
    return new Set(ordinals.filter((ordinal) => chooseFault(rules, facts(ordinal), state) !== null));
  };
  const ordinals = Array.from({ length: 2000 }, (_nothing, index) => index);

  it('is met, and depends on the seed', () => {
    expect(strikes(1, ordinals).size).toBeGreaterThan(140);
    expect(strikes(1, ordinals).size).toBeLessThan(260);
    expect(strikes(1, ordinals)).not.toEqual(strikes(2, ordinals));
  });

  it('strikes the same requests in whatever order they arrive', () => {
    expect(strikes(1, ordinals.toReversed())).toEqual(strikes(1, ordinals));
  });

  it('is drawn anew when a request is repeated', () => {
    const state = { seed: 1, memory: createFaultMemory() };
    const draws = ordinals.map(() => chooseFault([{ fault: { kind: 'reset' }, rate: 0.5 }], facts(1), state) !== null);
    expect(new Set(draws)).toEqual(new Set([true, false]));
  });

  it('of 0 never strikes and a count of 2 strikes twice', () => {
    const state = { seed: 1, memory: createFaultMemory() };
    const counted: FaultRule[] = [
      { fault: { kind: 'reset' }, rate: 0 },
      { fault: { kind: 'html-body' }, count: 2 },
    ];
    const kinds = [1, 2, 3].map((ordinal) => chooseFault(counted, facts(ordinal), state)?.kind);
    expect(kinds).toEqual(['html-body', 'html-body', undefined]);
  });
});
