import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TransientError } from '../../../src/domain/errors.ts';
import { parseMetadata } from '../../../src/sources/oda/metadata.ts';
import { metadataXml } from '../../../src/twin/metadata-xml.ts';
import { odaSchema } from '../../../src/twin/oda-schema.ts';

const REAL_FILE = '../shared/data/oda/schema/metadata-2016-01.edmx.xml';

function edmx(types: string, sets: string): string {
  return `<?xml version="1.0"?><edmx:Edmx xmlns:edmx="x"><edmx:DataServices><Schema Namespace="N">${types}</Schema>
    <Schema Namespace="D"><EntityContainer Name="C">${sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>`;
}

const key = '<Key><PropertyRef Name="id"/></Key><Property Name="id" Type="Edm.Int32" Nullable="false"/>';

describe.skipIf(!existsSync(REAL_FILE))('the real metadata of 2016', () => {
  const entities = existsSync(REAL_FILE) ? parseMetadata(readFileSync(REAL_FILE, 'utf8')) : [];

  it('has all its entities, each with the key id', () => {
    expect(entities.length).toBeGreaterThan(40);
    expect(entities.every(({ keyField }) => keyField === 'id')).toBe(true);
    expect(entities.every(({ fields }) => fields.every(({ type }) => type !== 'json'))).toBe(true);
  });

  it('describes Afstemning as it is', () => {
    expect(entities.find(({ name }) => name === 'Afstemning')).toEqual({
      name: 'Afstemning',
      keyField: 'id',
      timestampField: 'opdateringsdato',
      fields: [
        { name: 'id', type: 'integer', isNullable: false },
        { name: 'nummer', type: 'integer', isNullable: false },
        { name: 'konklusion', type: 'text', isNullable: true },
        { name: 'vedtaget', type: 'boolean', isNullable: false },
        { name: 'kommentar', type: 'text', isNullable: true },
        { name: 'mødeid', type: 'integer', isNullable: false },
        { name: 'typeid', type: 'integer', isNullable: false },
        { name: 'sagstrinid', type: 'integer', isNullable: true },
        { name: 'opdateringsdato', type: 'timestamp', isNullable: false },
      ],
      relations: ['Afstemningstype', 'Møde', 'Sagstrin', 'Stemme'],
    });
  });
});

describe('metadata', () => {
  it("is read from the twin's document: all 50 sets with their fields and relations in order", () => {
    const entities = parseMetadata(metadataXml(odaSchema));
    expect(entities.map(({ name }) => name)).toEqual([...odaSchema.keys()]);
    for (const entity of entities) {
      const schema = odaSchema.get(entity.name);
      expect(entity.fields.map(({ name }) => name)).toEqual(schema?.properties.map(({ name }) => name));
      expect(entity.relations).toEqual(schema?.navigation.map(({ name }) => name));
    }
  });

  it('maps types, with json for what it does not know', () => {
    const types = [
      'Boolean',
      'Byte',
      'Int16',
      'Int64',
      'Decimal',
      'Double',
      'DateTimeOffset',
      'Guid',
      'Time',
      'GeographyPoint',
    ];
    const fields = types.map((type) => `<Property Name="${type}" Type="Edm.${type}"/>`).join('');
    const xml = edmx(`<EntityType Name="T">${key}${fields}</EntityType>`, '<EntitySet Name="S" EntityType="N.T"/>');
    expect(
      parseMetadata(xml)[0]
        ?.fields.slice(1)
        .map(({ type }) => type),
    ).toEqual([
      'boolean',
      'smallint',
      'smallint',
      'bigint',
      'numeric',
      'double',
      'timestamptz',
      'uuid',
      'text',
      'json',
    ]);
  });

  it('gives a derived type the key and fields of its base, even where bases go in a circle', () => {
    const xml = edmx(
      `<EntityType Name="A" BaseType="N.B">${key}</EntityType><EntityType Name="B" BaseType="N.A"><Property Name="b" Type="Edm.String"/></EntityType>`,
      '<EntitySet Name="S" EntityType="N.B"/>',
    );
    expect(parseMetadata(xml)[0]).toMatchObject({ keyField: 'id', timestampField: null });
    expect(parseMetadata(xml)[0]?.fields.map(({ name }) => name)).toEqual(['id', 'b']);
  });

  it('leaves out sets without a key of exactly one field', () => {
    const double =
      '<Key><PropertyRef Name="a"/><PropertyRef Name="b"/></Key><Property Name="a" Type="Edm.Int32"/><Property Name="b" Type="Edm.Int32"/>';
    const xml = edmx(
      `<EntityType Name="A">${key}</EntityType><EntityType Name="B">${double}</EntityType><EntityType Name="C"/>`,
      ['A', 'B', 'C', 'Missing'].map((name) => `<EntitySet Name="${name}s" EntityType="N.${name}"/>`).join(''),
    );
    expect(parseMetadata(xml).map(({ name }) => name)).toEqual(['As']);
  });

  it('reads names that are written with entities, or decomposed', () => {
    const xml = edmx(
      `<EntityType Name="A">${key}</EntityType>`,
      '<EntitySet Name="A&amp;M\u006f\u0308de" EntityType="N.A"/>',
    );
    expect(parseMetadata(xml)[0]?.name).toBe('A&M\u00f6de');
  });

  it.each([
    ['nothing', ''],
    ['a page of a proxy', '<!DOCTYPE html><html><body><p>Bad gateway<br></body></html>'],
    ['JSON', '{"value":[]}'],
    ['other XML', '<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title></feed>'],
    ['EDMX cut short', metadataXml(odaSchema).slice(0, 20_000)],
    ['EDMX without sets', edmx(`<EntityType Name="A">${key}</EntityType>`, '')],
    ['an entity bomb', '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'],
  ])('that is %s is a clear error', (_what, text) => {
    expect(() => parseMetadata(text)).toThrow(TransientError);
    expect(() => parseMetadata(text)).toThrow(/^The metadata is not EDMX: .+ It starts with: /);
  });
});
