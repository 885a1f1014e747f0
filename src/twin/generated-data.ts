import { clusteredIds } from './generated-ids.ts';
import { generateRows, type RowSource } from './generated-rows.ts';
import { rowCount, volumeOf } from './generated-volumes.ts';
import { planVotes, type VotePlan } from './generated-votes.ts';
import { odaSchema } from './oda-schema.ts';
import { mixSeed, seededRandom } from './seeded.ts';
import { sortedTable, type Table } from './table.ts';
import type { TwinData } from './twin-data.ts';

export type GenerateOptions = {
  readonly seed: number;
  /** 1 is the real volume: 1,839,500 rows of Stemme, 98,000 of Sag. More than 0. */
  readonly scale: number;
  /** The sets that have rows; default all. Those named are made at once, otherwise each when it is first asked for. */
  readonly entities?: readonly string[];
};

/**
 * Data that imitates the real sets: volumes, id densities, ties of timestamps, and results of votes that agree with their rows.
 * Equal seeds and scales give equal bytes. Throws on a scale of 0 or less and on an unknown set.
 */
export function generateData(options: GenerateOptions): TwinData {
  if (!(options.scale > 0)) throw new Error(`scale: expected a number above 0, not ${options.scale}.`);
  const unknown = options.entities?.find((entity) => !odaSchema.has(entity));
  if (unknown !== undefined) throw new Error(`entities: there is no set "${unknown}".`);
  const source = rowSource(options);
  const tables = new Map<string, Table | undefined>();
  const isWanted = (entity: string): boolean => options.entities?.includes(entity) ?? true;
  const table = (entity: string): Table | undefined => {
    if (!tables.has(entity)) tables.set(entity, isWanted(entity) ? generateTable(source, entity) : undefined);
    return tables.get(entity);
  };
  for (const entity of options.entities ?? []) table(entity);
  return { schema: odaSchema, table };
}

function generateTable(source: RowSource, entity: string): Table | undefined {
  const schema = odaSchema.get(entity);
  return schema && sortedTable(schema, [...source.idsOf(entity)], generateRows(source, schema));
}

function rowSource({ seed, scale }: GenerateOptions): RowSource {
  const ids = new Map<string, readonly number[]>();
  const idsOf = (entity: string): readonly number[] => {
    const known = ids.get(entity);
    if (known !== undefined) return known;
    const random = seededRandom(mixSeed(seed, entity, 'ids'));
    const made = clusteredIds(random, rowCount(entity, scale), volumeOf(entity).density);
    ids.set(entity, made);
    return made;
  };
  let plan: VotePlan | undefined;
  const votes = (): VotePlan => {
    plan ??= planVotes(seed, rowCount('Afstemning', scale), rowCount('Stemme', scale));
    return plan;
  };
  return { seed, idsOf, votes };
}
