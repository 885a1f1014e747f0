import { describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../../src/domain/errors.ts';
import { sliceOne } from '../../../src/domain/json-bytes.ts';
import { cutProperties } from '../../../src/domain/json-text.ts';
import { relatedEntities, tidyPaths } from '../../../src/domain/relations.ts';
import { parseMetadata } from '../../../src/sources/oda/metadata.ts';
import { readNested, readRest, restPath } from '../../../src/sources/oda/nested.ts';
import { pagePath } from '../../../src/sources/oda/page-url.ts';
import { followPaths, parseRelations } from '../../../src/sources/oda/relations.ts';
import type { Rest } from '../../../src/sources/source.ts';
import { metadataXml } from '../../../src/twin/metadata-xml.ts';
import { odaSchema } from '../../../src/twin/oda-schema.ts';
import { everything, textOf } from '../setup.ts';

const xml = metadataXml(odaSchema);
const known = { entities: parseMetadata(xml), relations: parseRelations(xml) };
const entityOf = (name: string) => known.entities.find((entity) => entity.name === name) ?? expect.fail(name);
const expansionsOf = (name: string, ...paths: string[]) => followPaths(known, entityOf(name), paths);

describe('the relations of the metadata', () => {
  it('lead where they lead, to one or to many, for all 50 sets', () => {
    for (const { name, navigation } of odaSchema.values()) {
      const wanted = navigation.map((each) => ({ name: each.name, target: each.target, isMany: each.isMany }));
      expect(known.relations.get(name)).toEqual(wanted);
    }
  });

  it('are followed as a tree, each step once, however the paths are written', () => {
    const [actors, steps] = expansionsOf('Sag', 'Sagstrin', ' SagAktør/Aktør', 'SagAktør', 'SagAktør/SagAktørRolle');
    expect(actors).toMatchObject({
      relation: 'SagAktør',
      isMany: true,
      expand: [{ relation: 'Aktør', isMany: false }, {}],
    });
    expect(steps).toMatchObject({ relation: 'Sagstrin', expand: [] });
    expect(relatedEntities([actors, steps].flatMap((each) => each ?? [])).map(({ name }) => name)).toEqual([
      ...['Aktør', 'SagAktør', 'SagAktørRolle', 'Sagstrin'],
    ]);
    expect(tidyPaths(['b', 'a/c', 'a', '', 'b', 'Akto\u0308r'])).toEqual(['Akt\u00f6r', 'a/c', 'b']);
  });

  it('come along with pages, and with selected fields', () => {
    const query = {
      entity: entityOf('Sag'),
      selection: everything,
      expand: expansionsOf('Sag', 'SagAktør/Aktør', 'Sagstrin'),
    };
    const position = { strategy: 'keyset', span: { after: 0, upto: 9 }, cursor: 0, pageSize: 100 } as const;
    const asked = new URLSearchParams(pagePath(query, position).split('?')[1]);
    expect(asked.get('$expand')).toBe('SagAktør/Aktør,Sagstrin');
    const selecting = { ...query, selection: { ...everything, select: ['titel'] } };
    expect(new URLSearchParams(pagePath(selecting, position).split('?')[1]).get('$select')).toBe(
      'id,opdateringsdato,titel,SagAktør,Sagstrin',
    );
  });
});

describe('rows with records inside', () => {
  const expand = expansionsOf('Afstemning', 'Stemme/Aktør');
  const text = (stemme: string) => `{"Stemme":${stemme},"id":1,"nummer":1.50,"kommentar":"}],\\"Stemme\\":"}`;
  const read = (...texts: string[]) =>
    readNested(
      texts.map((each) => ({ ...sliceOne(each), value: JSON.parse(each) as unknown })),
      entityOf('Afstemning'),
      expand,
    );

  it('are taken apart to the byte, as deep as was asked for', () => {
    const ballot = '{"Aktør":{"id":7,"navn":"\\u00e6"},"id":20,"typeid":-0}';
    const { rows } = read(text(`[${ballot},{"id":21,"Aktør":null}]`));
    expect(rows.map(({ taken }) => textOf(taken))[0]).toBe('{"id":1,"nummer":1.50,"kommentar":"}],\\"Stemme\\":"}');
    const [ballots] = rows[0]?.relations ?? [];
    expect(ballots?.rows.map(({ taken }) => textOf(taken))).toEqual(['{"id":20,"typeid":-0}', '{"id":21}']);
    expect(ballots?.rows.map((row) => row.relations[0]?.rows.map(({ taken }) => textOf(taken)))).toEqual([
      ['{"id":7,"navn":"\\u00e6"}'],
      [],
    ]);
    expect(ballots?.rest).toBeNull();
  });

  it('name what is missing of a collection, and the drift of each entity by its name', () => {
    const cut =
      '{"id":1,"Stemme@odata.nextLink":"http://x/api/Afstemning(1)/Stemme?$skip=2","Stemme":[{"id":2,"ny":1,"Aktør":null},3]}';
    const { rows, drift } = read(cut);
    expect(rows.map(({ taken }) => textOf(taken))[0]).toBe('{"id":1}');
    expect(rows[0]?.relations[0]?.rest).toMatchObject({ full: 2, link: 'http://x/api/Afstemning(1)/Stemme?$skip=2' });
    expect(rows[0]?.relations[0]?.rows[1]?.taken).toMatchObject({ reason: 'not-an-object' });
    expect(drift.find(({ kind }) => kind === 'unknown-field')).toMatchObject({ field: 'Stemme.ny', key: '2' });
  });

  it('that come without are no rows: the source has ignored what was asked for', () => {
    for (const without of ['{"id":1}', '{"id":1,"Stemme":[{"id":2}]}'])
      expect(() => read(without)).toThrow(expect.objectContaining({ code: 'expand-ignored' }));
    expect(read('null', '[]').rows.map(({ taken }) => taken)).toMatchObject([{ reason: 'not-an-object' }, {}]);
  });

  it.each(['{}', '{"a":1}', '{"a":{"x":[1,"]"]},"b":"}","c":-1.5e3}', '{"\\u0061":1,"b":2}'])(
    'cut from %s leave the others as they were',
    (object) => {
      expect(cutProperties(object, () => false)).toEqual({ text: object, cut: new Map() });
      const { text: rest, cut } = cutProperties(object, (name) => name === 'a');
      const { a, ...others } = JSON.parse(object) as Record<string, unknown>;
      expect(JSON.parse(rest)).toEqual(others);
      expect(cut.has('a') ? JSON.parse(cut.get('a') ?? '') : undefined).toEqual(a);
    },
  );
});

describe('the rest of a nested collection', () => {
  const [expansion] = expansionsOf('Afstemning', 'Stemme/Aktør');
  const rest = (link: string): Rest => ({ expansion: expansion ?? expect.fail(), link, full: 2 });
  const base = 'https://oda.example/api/';

  it.each([
    ['https://oda.example/api/Afstemning(1)/Stemme?$skip=2', 'Afstemning(1)/Stemme?$skip=2&$expand=Akt%C3%B8r'],
    ['http://10.0.0.7:8080/api/Afstemning(1)/Stemme', 'Afstemning(1)/Stemme?$expand=Akt%C3%B8r'],
    ['/api/Afstemning(1)/Stemme?$skip=2', 'Afstemning(1)/Stemme?$skip=2&$expand=Akt%C3%B8r'],
    ['https://oda.example/api/A(1)/S?%24expand=Akt%C3%B8r&$skip=2', 'A(1)/S?%24expand=Akt%C3%B8r&$skip=2'],
  ])('at %s is asked for below the base', (link, path) => {
    expect(restPath(rest(link), base)).toBe(path);
  });

  it.each(['https://oda.example/other/Stemme', 'https://oda.example/api/../secret', 'http://[', 'mailto:x'])(
    'is not looked for at %s',
    (link) => {
      expect(() => restPath(rest(link), base)).toThrow(PermanentError);
    },
  );

  it('goes on where the next link leads, or behind a full page without one, and ends with a page that is not full', () => {
    const link = `${base}Afstemning(1)/Stemme?$skip=2`;
    const body = (ids: number[], next = '') =>
      Buffer.from(
        JSON.stringify({ value: ids.map((id) => ({ id, Aktør: null })), ...(next && { 'odata.nextLink': next }) }),
      );
    expect(readRest(rest(link), body([3, 4], `${base}next`)).rest?.link).toBe(`${base}next`);
    expect(readRest(rest(link), body([3, 4])).rest?.link).toBe(`${base}Afstemning(1)/Stemme?$skip=4`);
    expect(readRest(rest(link), body([3])).rest).toBeNull();
    expect(readRest(rest(link), body([])).rest).toBeNull();
    expect(() => readRest(rest(link), Buffer.from('{"error":1}'))).toThrow(TransientError);
    expect(() => readRest(rest(link), Buffer.from('{"value":[{"id":1}]}'))).toThrow(PermanentError);
  });
});
