import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { PermanentError, TransientError, UsageError } from '../../../src/domain/errors.ts';
import type { Selection, Strategy } from '../../../src/domain/harvest-request.ts';
import { createOdaSource } from '../../../src/sources/oda/oda-source.ts';
import type { Behaviour } from '../../../src/twin/behaviour.ts';
import { loadFolder } from '../../../src/twin/folder-data.ts';
import { parseEntitySchema } from '../../../src/twin/schema.ts';
import { startTwin } from '../../../src/twin/start-twin.ts';
import { inlineData, type TwinData } from '../../../src/twin/twin-data.ts';
import { everything, reach, walk } from '../setup.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const votes = (count: number, step = 3) =>
  Array.from({ length: count }, (_, index) => ({
    id: 10 + index * step,
    typeid: index % 4,
    afstemningid: 1,
    aktørid: 2,
    opdateringsdato: '2025-01-01T00:00:00',
  }));

async function setup(behaviour: Partial<Behaviour> = {}, dataset: TwinData = inlineData({ Stemme: votes(250) })) {
  const twin = await startTwin({ dataset, behaviour });
  const reached = reach(twin.url);
  closers.push(async () => {
    await reached.client.close();
    await twin.stop();
  });
  const source = createOdaSource({ baseUrl: twin.url });
  const query = async (entity = 'Stemme', selection: Partial<Selection> = {}) => {
    const whole = { ...everything, ...selection };
    return { entity: await source.check(reached.fetch, entity, whole), selection: whole };
  };
  const survey = async (strategy: Strategy | null = null, ...asked: Parameters<typeof query>) =>
    source.survey(reached.fetch, await query(...asked), strategy);
  return { twin, source, query, survey, ...reached };
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );

describe('a survey', () => {
  it('learns the count, the range of keys and the page size in two requests', async () => {
    const { survey, twin, query } = await setup();
    await query();
    twin.clearRequests();
    expect(await survey()).toEqual({
      strategy: 'keyset',
      span: { after: 9, upto: 757 },
      expected: 250,
      pageSize: 100,
      whole: null,
    });
    expect(twin.requests).toHaveLength(2);
  });

  it.each<[string, Partial<Behaviour>, number]>([
    ['a cap of 20', { cap: 20 }, 20],
    ['a cap of 100', {}, 100],
    ['no next-link', { nextLink: 'never' }, 100],
    ['no next-link and a tiny cap', { nextLink: 'never', cap: 7 }, 7],
    ['no next-link and no count', { nextLink: 'never', count: 'missing', cap: 20 }, 20],
    ['a count that is too small', { nextLink: 'never', countError: -200, cap: 20 }, 20],
    ['everything on one page', { cap: 1000 }, 250],
  ])('learns the page size from %s', async (_what, behaviour, pageSize) => {
    const { survey } = await setup(behaviour);
    expect(await survey()).toMatchObject({ pageSize, span: { after: 9, upto: 757 } });
  });

  it.each(['never', 'truncated'] as const)(
    'of a small set takes the smallest known page size (next-links: %s)',
    async (nextLink) => {
      const { survey } = await setup({ nextLink }, inlineData({ Stemme: votes(3) }));
      expect(await survey()).toEqual({
        strategy: 'keyset',
        span: { after: 9, upto: 16 },
        expected: 3,
        pageSize: 20,
        whole: null,
      });
    },
  );

  it.each([
    ['string', 250],
    ['number', 250],
    ['missing', null],
  ] as const)('reads a count that is a %s', async (count, expected) => {
    expect((await (await setup({ count })).survey()).expected).toBe(expected);
  });

  it('finds where the most records end without a count, too', async () => {
    const { source, fetch, query } = await setup({ count: 'missing' });
    const limited = { ...(await query()), selection: { ...everything, maxRecords: 150 } };
    expect(await source.survey(fetch, limited, null)).toMatchObject({ span: { after: 9, upto: 457 }, expected: 150 });
    const most = { ...limited, selection: { ...everything, maxRecords: 1_000 } };
    expect(await source.survey(fetch, most, null)).toMatchObject({ span: { after: 9, upto: 757 }, expected: null });
  });

  it('by offset needs a count', async () => {
    const { survey } = await setup({ count: 'missing' });
    expect(await failure(survey('offset'))).toMatchObject({ name: 'PermanentError', code: 'no-count' });
  });

  it('goes by offset where the key is no whole number, and says so when asked otherwise', async () => {
    const schema = [parseEntitySchema('Ord', 'id:s navn:s?')];
    const rows = ['b', 'a', 'c'].map((id) => ({ id, navn: id }));
    const { survey } = await setup({}, inlineData({ Ord: rows }, { schema }));
    expect(await survey(null, 'Ord')).toMatchObject({ strategy: 'offset', span: { after: 0, upto: 3 } });
    const error = await failure(survey('keyset', 'Ord'));
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ code: 'no-keyset' });
  });

  it('notices a source that ignores the order', async () => {
    const { survey } = await setup({ orderBy: 'shuffle' });
    for (const strategy of ['keyset', 'offset'] as const) {
      expect(await failure(survey(strategy))).toMatchObject({ code: 'order-ignored' });
    }
  });

  it('notices a source that only ever sorts upwards', async () => {
    const { source, fetch, query } = await setup();
    const upwards: typeof fetch = (path, read) => fetch(path.replace('%20desc', ''), read);
    expect(await failure(source.survey(upwards, await query(), null))).toMatchObject({ code: 'order-ignored' });
  });

  it('notices a source that ignores the filter', async () => {
    const { survey } = await setup({ filter: 'ignore' });
    const error = await failure(survey(null, 'Stemme', { filter: 'typeid eq 2' }));
    expect(error).toBeInstanceOf(PermanentError);
    expect(error).toMatchObject({ code: 'filter-ignored', message: expect.stringContaining('typeid eq 2') });
  });

  it('cannot begin by key where no row of the first page has one', async () => {
    const rows = [{ key: 1, text: '{"x":1}' }];
    const { survey } = await setup({}, inlineData({ Stemme: rows }));
    expect(await failure(survey())).toMatchObject({ code: 'cannot-advance' });
    expect(await survey('offset')).toMatchObject({ span: { after: 0, upto: 1 } });
  });
});

describe('a count', () => {
  it('is of the query, of a range of keys, or of positions', async () => {
    const { source, fetch, query } = await setup();
    const all = await query();
    expect(await source.count(fetch, all)).toBe(250);
    expect(await source.count(fetch, all, { after: 9, upto: 16 })).toBe(3);
    expect(await source.count(fetch, all, { after: 200, upto: 300, strategy: 'offset' })).toBe(50);
    expect(await source.count(fetch, all, { after: 300, upto: 400, strategy: 'offset' })).toBe(0);
    expect(await source.count(fetch, await query('Stemme', { filter: 'typeid eq 0' }), { after: 9, upto: 22 })).toBe(2);
  });

  it('is null where the source does not say', async () => {
    const { source, fetch, query } = await setup({ count: 'missing' });
    expect(await source.count(fetch, await query())).toBeNull();
  });
});

describe('a page that is not one', () => {
  const strike = async (fault: Parameters<typeof faultOf>[0], count?: number) => {
    const context = await setup();
    const query = await context.query();
    context.twin.setBehaviour({ faults: [faultOf(fault, count)] });
    const at = { strategy: 'keyset' as const, span: { after: 9, upto: 757 }, cursor: 9, pageSize: 100 };
    const read = (body: Buffer) => context.source.readPage(query, at, body);
    return failure(context.fetch(context.source.pagePath(query, at), read));
  };
  const faultOf = (fault: Behaviour['faults'][number]['fault'], count?: number) =>
    count === undefined ? { fault } : { fault, count };

  it.each([
    ['an HTML page with status 200', { kind: 'html-body' }, 'not-json'],
    ['JSON of another shape', { kind: 'other-shape' }, 'not-a-collection'],
    ['a body cut short', { kind: 'truncated-body' }, 'connection-lost'],
    ['a connection reset', { kind: 'reset' }, 'connection-lost'],
    ['a connection reset inside the body', { kind: 'reset', afterBytes: 100 }, 'connection-lost'],
    ['an overloaded server', { kind: 'status', status: 503 }, 'http-503'],
  ] as const)('%s passes: it is tried again, and given up with the number of requests', async (_what, fault, code) => {
    expect(await strike(fault, 2)).toMatchObject({ value: { requests: 3, value: { received: 100, next: 307 } } });
    const error = await strike(fault);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).toMatchObject({ code, facts: { requests: 3 } });
  });

  it.each([
    ['an empty 400', { kind: 'status', status: 400 }, 'http-400'],
    ['a 404 with an HTML page', { kind: 'status', status: 404, body: '<html><h1>Server Error</h1>' }, 'http-404'],
  ] as const)('%s is not asked for again', async (_what, fault, code) => {
    const error = await strike(fault);
    expect(error).toBeInstanceOf(PermanentError);
    expect(error).toMatchObject({ code, facts: { requests: 1 } });
  });

  it('repeats rows: each is taken once', async () => {
    expect(await strike({ kind: 'duplicated-rows', rows: 3 })).toMatchObject({
      value: { value: { received: 103, next: 307 } },
    });
  });
});

describe('a set that is in the metadata, but not there', () => {
  it('is a 404, told with the beginning of its page', async () => {
    const { survey } = await setup();
    const error = await failure(survey(null, 'Sambehandlinger'));
    expect(error).toBeInstanceOf(PermanentError);
    expect(error).toMatchObject({ code: 'http-404', message: expect.stringContaining('/api/Sambehandlinger') });
  });
});

describe('the source', () => {
  it('asks for its metadata again after a failure', async () => {
    const { source, fetch, twin } = await setup({ faults: [{ fault: { kind: 'status', status: 404 }, count: 1 }] });
    expect(await failure(source.entities(fetch))).toBeInstanceOf(PermanentError);
    expect(await source.entities(fetch)).toHaveLength(50);
    expect(twin.requests).toHaveLength(2);
  });

  it('takes a proxy page for metadata that is not EDMX', async () => {
    const { source, fetch } = await setup({ faults: [{ fault: { kind: 'html-body' } }] });
    expect(await failure(source.entities(fetch))).toMatchObject({ code: 'wrong-content', facts: { requests: 3 } });
  });

  it('names the nearest entity: "Aktor" is Aktør', async () => {
    const { source, fetch } = await setup();
    await expect(source.check(fetch, 'Aktor', everything)).rejects.toThrow('Did you mean "Aktør"?');
  });

  it('knows an entity by its decomposed name', async () => {
    const { source, fetch } = await setup();
    expect((await source.check(fetch, 'Møde'.normalize('NFD'), everything)).name).toBe('Møde');
  });

  it('sees the rows that come and go while it walks, but never one twice', async () => {
    const { source, fetch, query, twin } = await setup();
    const all = await query();
    const found = await source.survey(fetch, all, null);
    const first = { ...found, cursor: found.span.after };
    const page = (await fetch(source.pagePath(all, first), (body) => source.readPage(all, first, body))).value;
    twin.remove('Stemme', 10);
    twin.put('Stemme', { id: 11, typeid: 1, opdateringsdato: '2025-01-01T00:00:00' });
    twin.put('Stemme', { id: 500, typeid: 1, opdateringsdato: '2025-01-01T00:00:00' });
    const rest = await walk({ source, fetch }, all, {
      ...found,
      span: { after: page.next ?? 0, upto: found.span.upto },
    });
    const keys = [...page.records.map(({ key }) => key), ...rest.keys];
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toHaveLength(251);
  });
});

const REAL_ROWS = '../shared/data/oda/2014-12';

describe.skipIf(!existsSync(REAL_ROWS))('real records of 2014', () => {
  it.each(['Sag', 'Afstemning', 'Aktør'])('of %s all come, byte for byte', async (name) => {
    const data = loadFolder(REAL_ROWS);
    const { source, fetch, query } = await setup({ gzip: true }, data);
    const all = await query(name);
    const found = await source.survey(fetch, all, null);
    const { texts, rejects } = await walk({ source, fetch }, all, found);
    const file = gunzipSync(readFileSync(`${REAL_ROWS}/${name}.ndjson.gz`)).toString('utf8');
    expect(`${texts.join('\n')}\n`).toBe(file);
    expect(texts).toHaveLength(found.expected ?? -1);
    expect(rejects).toEqual([]);
  });
});
