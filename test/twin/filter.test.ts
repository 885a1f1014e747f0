import { describe, expect, it } from 'vitest';
import { inlineData } from '../../src/twin/twin-data.ts';
import { manyRows, setup } from './setup.ts';

const dataset = inlineData({
  Aktør: [
    {
      id: 1,
      typeid: 5,
      navn: "Mette O'Hara",
      fornavn: 'Mette',
      opdateringsdato: '2019-03-20T19:21:12.267',
      slutdato: null,
    },
    { id: 2, typeid: 5, navn: 'Åse Ågård', fornavn: '', opdateringsdato: '2020-12-31T23:59:59', slutdato: null },
    {
      id: 5,
      typeid: 3,
      navn: 'Finansudvalget',
      fornavn: null,
      opdateringsdato: '2020-12-31T23:59:59.5',
      slutdato: '2021-01-01T00:00:00',
    },
    { id: 9, typeid: 1, navn: ' Skat ', opdateringsdato: '2021-06-01T08:30:00' },
  ],
  Aktørtype: [
    { id: 3, type: 'Udvalg' },
    { id: 5, type: 'Person' },
  ],
  SagAktør: [
    { id: 1, aktørid: 1, sagid: 7, rolleid: 1 },
    { id: 2, aktørid: 1, sagid: 8, rolleid: 2 },
    { id: 3, aktørid: 5, sagid: 7, rolleid: 1 },
  ],
  Sag: [
    { id: 7, titel: 'Skat' },
    { id: 8, titel: 'Havmiljø' },
  ],
});

describe('a $filter', () => {
  it.each([
    ['id eq 5', [5]],
    ['id ne 5', [1, 2, 9]],
    ['id gt 1 and id le 5', [2, 5]],
    ['5 lt id', [9]],
    ['id ge 2 and id lt 9 and typeid eq 5', [2]],
    ['id lt 2 or id ge 9', [1, 9]],
    ['not (id eq 5)', [1, 2, 9]],
    ['(id eq 1 or id eq 2) and not (id eq 1)', [2]],
    ['id eq 1 or id eq 2 and typeid eq 1', [1]],
    ['id gt 5 and id le 2', []],
    ['id eq 5L', [5]],
    ['id eq -1', []],
    ['id mod 2 eq 1 and id sub 1 gt 0', [5, 9]],
    ["navn eq 'Mette O''Hara'", [1]],
    ["substringof('udvalg',navn)", [5]],
    ["substringof('udvalg',navn) eq true", [5]],
    ["startswith(navn,'Å')", [2]],
    ["endswith(tolower(navn),'hara')", [1]],
    ["toupper(fornavn) eq 'METTE'", [1]],
    ['length(fornavn) eq 0', [2]],
    ["trim(navn) eq 'Skat'", [9]],
    ["indexof(navn,'udv') eq 6", [5]],
    ['fornavn eq null', [5, 9]],
    ['fornavn ne null', [1, 2]],
    ["fornavn eq ''", [2]],
    ["opdateringsdato eq datetime'2019-03-20T19:21:12.2670000'", [1]],
    ["opdateringsdato gt datetime'2020-12-31T23:59:59'", [5, 9]],
    ["opdateringsdato ge datetime'2021-01-01' and opdateringsdato lt datetime'2022-01-01T00:00'", [9]],
    ['year(opdateringsdato) eq 2020 and month(opdateringsdato) eq 12 and day(opdateringsdato) eq 31', [2, 5]],
    ['hour(opdateringsdato) eq 8 and minute(opdateringsdato) eq 30 and second(opdateringsdato) eq 0', [9]],
    ["slutdato lt datetime'2030-01-01'", [5]],
    ['slutdato eq null', [1, 2, 9]],
    ["Aktørtype/type eq 'Person'", [1, 2]],
    ['Aktørtype/type eq null', [9]],
    ['SagAktør/any()', [1, 5]],
    ['SagAktør/any(s: s/rolleid eq 2)', [1]],
    ["SagAktør/any(s: s/Sag/titel eq 'Skat' and s/aktørid eq id)", [1, 5]],
    ['SagAktør/all(s: s/rolleid eq 1)', [2, 5, 9]],
    ['true', [1, 2, 5, 9]],
  ])('understands %s', async (filter, expected) => {
    const { ids } = await setup({ dataset });
    expect(await ids(`Akt%C3%B8r?$filter=${encodeURIComponent(filter)}`)).toEqual(expected);
  });

  it.each([
    'id eq',
    'id = 5',
    'id eq 5)',
    '(id eq 5',
    'id',
    'not id eq 5',
    "id eq '5'",
    "opdateringsdato gt '2020-01-01'",
    "opdateringsdato gt datetime'yesterday'",
    "contains(navn,'x')",
    'length(navn)',
    "substringof('x')",
    "navn eq 'open",
    'id eq 5 id eq 6',
    '',
  ])('answers 400 with an empty body to %s', async (filter) => {
    const { get } = await setup({ dataset });
    const response = await get(`Akt%C3%B8r?$filter=${encodeURIComponent(filter)}`);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-length')).toBe('0');
  });

  it('may have 100 nodes and no more', async () => {
    const { get } = await setup({ dataset });
    const terms = (count: number): string =>
      Array.from({ length: count }, (_nothing, id) => `id eq ${id}`).join(' or ');
    expect((await get(`Akt%C3%B8r?$filter=${terms(25)}`)).status).toBe(200);
    expect((await get(`Akt%C3%B8r?$filter=${terms(26)}`)).status).toBe(400);
  });

  it('over an unknown field is silently ignored, or refused', async () => {
    const { get, ids, twin } = await setup({ dataset });
    expect(await ids('Akt%C3%B8r?$filter=nope eq 1')).toEqual([1, 2, 5, 9]);
    expect(await ids('Akt%C3%B8r?$filter=Nope/any() and id eq 1')).toEqual([1, 2, 5, 9]);
    twin.setBehaviour({ invalidFilter: 'reject' });
    expect((await get('Akt%C3%B8r?$filter=nope eq 1')).status).toBe(400);
  });

  it('can be ignored altogether', async () => {
    const { ids } = await setup({ dataset, behaviour: { filter: 'ignore' } });
    expect(await ids('Akt%C3%B8r?$filter=id eq 5')).toEqual([1, 2, 5, 9]);
  });

  it('finds key ranges in whatever order they are asked for', async () => {
    const { ids, page } = await setup({ dataset: inlineData({ Stemmetype: manyRows(500) }) });
    const range = '$filter=id gt 100 and id le 200&$inlinecount=allpages';
    expect(await ids(`Stemmetype?${range}&$orderby=id&$top=2`)).toEqual([101, 102]);
    expect(await ids(`Stemmetype?${range}&$orderby=id desc&$top=2`)).toEqual([200, 199]);
    expect(await ids(`Stemmetype?${range}&$orderby=opdateringsdato desc&$top=2`)).toEqual([200, 199]);
    expect((await page(`Stemmetype?${range}&$skip=99`))['odata.count']).toBe('100');
  });

  it('walks a composite keyset of timestamp and id through a tie that is larger than a page', async () => {
    const rows: Record<string, unknown>[] = manyRows(450).map((row) => ({
      ...row,
      opdateringsdato: '2014-09-22T15:44:12',
    }));
    rows.push({ id: 451, type: 'late', opdateringsdato: '2014-09-22T15:44:12.003' });
    const { ids } = await setup({ dataset: inlineData({ Stemmetype: rows }) });
    const stamp = "datetime'2014-09-22T15:44:12'";
    const beyond = (id: number): string =>
      `Stemmetype?$filter=opdateringsdato gt ${stamp} or (opdateringsdato eq ${stamp} and id gt ${id})&$orderby=opdateringsdato,id`;
    expect((await ids(beyond(100)))[0]).toBe(101);
    expect(await ids(beyond(449))).toEqual([450, 451]);
    expect(
      await ids(`Stemmetype?$orderby=opdateringsdato desc,id desc&$top=1&$filter=opdateringsdato le ${stamp}`),
    ).toEqual([450]);
  });
});
