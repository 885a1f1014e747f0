import { generateRows } from '../src/twin/generated-rows.ts';
import { odaSchema } from '../src/twin/oda-schema.ts';
import { packedTable } from '../src/twin/table.ts';
import type { TwinData } from '../src/twin/twin-data.ts';

/** The data as it is first, and with one record in a hundred edited. */
export const editions = ['first', 'edited'] as const;
export type Edition = (typeof editions)[number];

/** In the records that were edited, and in no other. */
export const EDITED_AT = '2025-12-01T12:00:00';
const EDITED_EVERY = 100;
/** So many different texts are made, and taken in turn: the data of any number of records takes little memory. */
const TEXTS = 10_000;
/** Cuts the longest field, so that a record has about 1.3 kB: those of `Sag` have 1.5 kB in the imitation, and 1.7 in truth. */
const LONGEST = 590;

export function editedOf(rows: number): number {
  return Math.floor(rows / EDITED_EVERY);
}

/** Records of `Sag` with the ids 1 to `rows`, without gaps, always the same: each edition of them. */
export function makeEditions(rows: number): Readonly<Record<Edition, TwinData>> {
  const records = generateRecords(Math.min(rows, TEXTS));
  const rests = records.map(restOf);
  const edited = records.map((record) => ({
    ...record,
    titel: `${record['titel']} (ændret)`,
    opdateringsdato: EDITED_AT,
  }));
  return { first: serve(rows, rests), edited: serve(rows, rests, edited.map(restOf)) };
}

function serve(rows: number, rests: readonly Buffer[], edited: readonly Buffer[] = rests): TwinData {
  const schema = odaSchema.get('Sag');
  if (schema === undefined) throw new Error('the service has no Sag');
  const table = packedTable(schema, rows, (index) => {
    const from = (index + 1) % EDITED_EVERY === 0 ? edited : rests;
    return { start: `{"id":${index + 1}`, rest: from[index % from.length] ?? Buffer.alloc(0) };
  });
  return { schema: odaSchema, table: (entity) => (entity === 'Sag' ? table : undefined) };
}

type Row = Readonly<Record<string, unknown>>;

function generateRecords(count: number): Row[] {
  const schema = odaSchema.get('Sag');
  if (schema === undefined) throw new Error('the service has no Sag');
  const idsOf = (entity: string) =>
    Array.from({ length: entity === 'Sag' ? count : 50 }, (_nothing, index) => index + 1);
  const votes = () => {
    throw new Error('Sag has no votes');
  };
  return generateRows({ seed: 1849, idsOf, votes }, schema).map((text) => {
    const row = JSON.parse(text) as Row;
    return { ...row, resume: String(row['resume']).slice(0, LONGEST) };
  });
}

/** Everything behind the id, which comes first. */
function restOf(record: Row): Buffer {
  const text = JSON.stringify(record);
  return Buffer.from(text.slice(text.indexOf(',')), 'utf8');
}
