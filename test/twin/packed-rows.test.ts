import { describe, expect, it } from 'vitest';
import { odaSchema } from '../../src/twin/oda-schema.ts';
import { packedTable } from '../../src/twin/table.ts';
import { inlineData, type TwinData } from '../../src/twin/twin-data.ts';
import { setup } from './setup.ts';

const types = ['For', 'Imod', 'Fravær', 'Hverken for eller imod “”'];
const COUNT = 250;
const rests = types.map((type, index) =>
  Buffer.from(`,"type":"${type}","opdateringsdato":"2020-01-0${index + 1}T00:00:00"}`),
);
const restOf = (index: number): Buffer => rests[index % rests.length] ?? Buffer.alloc(0);
const texts = Array.from({ length: COUNT }, (_nothing, index) => `{"id":${index + 1}${restOf(index)}`);

function packedData(): TwinData {
  const schema = odaSchema.get('Stemmetype');
  if (schema === undefined) throw new Error('the service has no Stemmetype');
  const table = packedTable(schema, COUNT, (index) => ({ start: `{"id":${index + 1}`, rest: restOf(index) }));
  return { schema: odaSchema, table: (entity) => (entity === 'Stemmetype' ? table : undefined) };
}

describe('a table of packed rows', () => {
  it('answers byte for byte as one of texts does', async () => {
    const plain = await setup({ dataset: inlineData({ Stemmetype: texts }) });
    const packed = await setup({ dataset: packedData() });
    const asked = [
      'Stemmetype?$filter=id gt 100 and id le 200&$orderby=id&$top=100',
      'Stemmetype?$filter=id gt 240 and id le 340&$orderby=id',
      'Stemmetype?$orderby=id desc&$top=1&$inlinecount=allpages',
      'Stemmetype?$skip=90&$top=7',
      'Stemmetype?$filter=type eq %27Imod%27&$orderby=opdateringsdato desc,id desc&$skip=3',
      'Stemmetype?$filter=id gt 250',
      'Stemmetype?$select=id,type&$top=5',
      'Stemmetype(7)',
      'Stemmetype(251)',
      'Stemmetype/$count',
    ];
    for (const target of asked) {
      const [left, right] = await Promise.all([plain.get(target), packed.get(target)]);
      const [leftText, rightText] = await Promise.all([left.text(), right.text()]);
      expect(right.status, target).toBe(left.status);
      expect(rightText.replaceAll(`:${packed.twin.port}/`, ':0/'), target).toBe(
        leftText.replaceAll(`:${plain.twin.port}/`, ':0/'),
      );
    }
  });

  it('bears faults and changes as one of texts does', async () => {
    const faults = [{ fault: { kind: 'duplicated-rows', rows: 2 }, count: 1 }] as const;
    const { ids, page, twin } = await setup({ dataset: packedData(), behaviour: { faults } });
    expect(await ids('Stemmetype?$top=3')).toEqual([1, 2, 3, 2, 3]);
    twin.put('Stemmetype', { id: 2, type: 'edited', opdateringsdato: '2021-01-01T00:00:00' });
    twin.remove('Stemmetype', 3);
    const { value } = await page('Stemmetype?$top=3');
    expect(value.map(({ id, type }) => [id, type])).toEqual([
      [1, 'For'],
      [2, 'edited'],
      [4, types[3]],
    ]);
  });
});
