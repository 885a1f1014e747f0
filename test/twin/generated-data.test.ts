import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { generateData } from '../../src/twin/generated-data.ts';
import { sqlDate } from '../../src/twin/generated-dates.ts';
import { clusteredIds } from '../../src/twin/generated-ids.ts';
import { odaSchema } from '../../src/twin/oda-schema.ts';
import { seededRandom } from '../../src/twin/seeded.ts';
import type { TwinData } from '../../src/twin/twin-data.ts';
import { setup } from './setup.ts';

type Row = Record<string, unknown>;

const data = generateData({ seed: 1, scale: 0.02 });

function rowsOf(entity: string, from: TwinData = data): Row[] {
  return (from.table(entity)?.rows ?? []).map((text) => JSON.parse(text) as Row);
}

function digest(from: TwinData): string {
  const hash = createHash('sha256');
  for (const entity of odaSchema.keys()) hash.update(from.table(entity)?.rows.join('\n') ?? '');
  return hash.digest('hex');
}

describe('generated data', () => {
  it('is the same for the same seed and scale, and other for another seed', () => {
    const one = digest(generateData({ seed: 7, scale: 0.002 }));
    expect(digest(generateData({ seed: 7, scale: 0.002 }))).toBe(one);
    expect(digest(generateData({ seed: 8, scale: 0.002 }))).not.toBe(one);
  });

  it('does not depend on the order in which sets are asked for', () => {
    const [one, other] = [
      generateData({ seed: 7, scale: 0.002 }),
      generateData({ seed: 7, scale: 0.002, entities: ['Stemme'] }),
    ];
    one.table('Sag');
    one.table('Afstemning');
    expect(one.table('Stemme')?.rows).toEqual(other.table('Stemme')?.rows);
    expect(other.table('Sag')).toBeUndefined();
  });

  it('has the real volumes, times the scale', () => {
    const counts = ['Stemme', 'Sag', 'Afstemning', 'Afstemningstype'].map((entity) => data.table(entity)?.rows.length);
    expect(counts).toEqual([36_790, 1_960, 210, 4]);
  });

  it('makes two hundred thousand rows', () => {
    const table = generateData({ seed: 1, scale: 0.11, entities: ['Stemme'] }).table('Stemme');
    expect(table?.rows).toHaveLength(202_345);
  });

  it('refuses a scale of 0 and an unknown set', () => {
    expect(() => generateData({ seed: 1, scale: 0 })).toThrow('scale');
    expect(() => generateData({ seed: 1, scale: Number.NaN })).toThrow('scale');
    expect(() => generateData({ seed: 1, scale: 1, entities: ['Nope'] })).toThrow('Nope');
  });

  it.each([...odaSchema.values()])('gives each row of $name the fields of its schema, in their types', (schema) => {
    for (const row of rowsOf(schema.name).slice(0, 50)) {
      expect(Object.keys(row)).toEqual(schema.properties.map(({ name }) => name));
      for (const { name, type, nullable } of schema.properties) {
        const value = row[name];
        if (value === null) expect(nullable, `${schema.name}.${name} is null`).toBe(true);
        else
          expect(typeof value).toBe(
            { 'Edm.String': 'string', 'Edm.DateTime': 'string', 'Edm.Boolean': 'boolean' }[type as 'Edm.String'] ??
              'number',
          );
      }
    }
  });

  it('uses null and "" in the same field', () => {
    const values = new Set(rowsOf('Aktør').map((row) => row['fornavn']));
    expect(values).toContain(null);
    expect(values).toContain('');
  });

  it('holds foreign keys that lead somewhere', async () => {
    const { page } = await setup({ dataset: data });
    const { value } = await page('SagAkt%C3%B8r?$expand=Akt%C3%B8r,Sag&$top=50');
    for (const row of value) expect([row['Aktør'], row['Sag']]).not.toContain(null);
  });
});

describe('generated ids', () => {
  it.each([
    ['Afstemning', 0.99],
    ['Aktør', 0.88],
    ['Dagsordenspunkt', 0.39],
    ['DagsordenspunktSag', 0.28],
    ['Debat', 0.026],
  ])('use the measured share of their range in %s', (entity, density) => {
    const keys = generateData({ seed: 4, scale: 0.2, entities: [entity] }).table(entity)?.keys as number[];
    const span = (keys.at(-1) ?? 0) - (keys[0] ?? 0) + 1;
    expect(Math.abs(keys.length / span - density)).toBeLessThan(density * 0.02);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('lie in clusters: equal ranges hold very unequal numbers', () => {
    const ids = clusteredIds(seededRandom(1), 5000, 0.28);
    const width = (ids.at(-1) ?? 0) / 20;
    const counts = Array.from(
      { length: 20 },
      (_nothing, part) => ids.filter((id) => Math.floor((id - 1) / width) === part).length,
    );
    expect(Math.max(...counts)).toBeGreaterThan(2 * Math.min(...counts));
    expect(ids).toEqual(ids.toSorted((left, right) => left - right));
  });

  it('are none for no rows and one for one', () => {
    expect(clusteredIds(seededRandom(1), 0, 0.5)).toEqual([]);
    expect(clusteredIds(seededRandom(1), 1, 0.5)).toEqual([1]);
  });
});

describe('generated timestamps', () => {
  it('look like SQL Server wrote them', () => {
    const stamps = ['Stemme', 'Afstemning', 'Sag'].flatMap((entity) =>
      rowsOf(entity).map((row) => String(row['opdateringsdato'])),
    );
    for (const stamp of stamps) {
      expect(stamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,2}[1-9])?$/);
      const fraction = Number(`0${/\.\d+$/.exec(stamp)?.[0] ?? ''}`) * 1000;
      expect([0, 3, 7]).toContain(Math.round(fraction) % 10);
    }
  });

  it('have 0 to 3 fraction digits', () => {
    const lengths = new Set(
      Array.from({ length: 2000 }, (_nothing, index) => sqlDate(((index * 7919) % 2000.003) / 2001).slice(19).length),
    );
    expect(lengths).toEqual(new Set([0, 2, 3, 4]));
  });

  it('tie in Stemme over far more rows than a page', () => {
    const counts = new Map<unknown, number>();
    for (const row of rowsOf('Stemme'))
      counts.set(row['opdateringsdato'], (counts.get(row['opdateringsdato']) ?? 0) + 1);
    expect(Math.max(...counts.values())).toBeGreaterThan(3000);
  });
});

describe('generated votes', () => {
  it('have results whose figures are those of their rows, except for the few without rows', () => {
    const tallies = new Map<unknown, [number, number, number]>();
    for (const row of rowsOf('Stemme')) {
      const tally = tallies.get(row['afstemningid']) ?? [0, 0, 0];
      const place = { 1: 0, 2: 1, 4: 2 }[Number(row['typeid'])];
      if (place !== undefined) tally[place as 0 | 1 | 2] += 1;
      tallies.set(row['afstemningid'], tally);
    }
    const votes = rowsOf('Afstemning');
    const held = votes.filter((vote) => tallies.has(vote['id']));
    expect(votes.length - held.length).toBeGreaterThan(0);
    expect(votes.length - held.length).toBeLessThan(votes.length * 0.05);
    for (const vote of held) {
      const [forVotes, against, neither] = figures(String(vote['konklusion']));
      expect([forVotes, against, neither]).toEqual(tallies.get(vote['id']));
      expect(vote['vedtaget']).toBe((forVotes ?? 0) > (against ?? 0));
    }
  });

  it('are cast once by each member', () => {
    const ballots = rowsOf('Stemme').map((row) => `${row['afstemningid']} ${row['aktørid']}`);
    expect(new Set(ballots).size).toBe(ballots.length);
  });
});

/** For, against, neither: from either of the ways in which results are written. */
function figures(text: string): number[] {
  const old = [...text.matchAll(/(\d+) stemmer/g)];
  return (old.length > 0 ? old : [...text.matchAll(/stemte (\d+)/g)]).map((match) => Number(match[1]));
}
