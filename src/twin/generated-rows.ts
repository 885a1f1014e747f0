import { sqlDay, timestamps } from './generated-dates.ts';
import { ballotStamp, choiceOf, resultOf, type VotePlan, voteStamp } from './generated-votes.ts';
import { bodyName, keyword, lookUps, paragraph, personName, shortTitle, title } from './generated-words.ts';
import type { EntitySchema, Property } from './schema.ts';
import { integerBetween, mixSeed, pick, type Random, seededRandom } from './seeded.ts';

/** What the rows of a set are made from; `idsOf` gives the ids of any set, so that foreign keys lead somewhere. */
export type RowSource = {
  readonly seed: number;
  readonly idsOf: (entity: string) => readonly number[];
  readonly votes: () => VotePlan;
};

type Field = (row: { readonly index: number; readonly id: number }) => unknown;
type Fields = Readonly<Record<string, Field>>;

/** Of five actors three are persons; the others take turns. */
export function actorType(index: number): number {
  if (index % 5 < 3) return 5;
  return 1 + ((index * 7) % 12);
}

/** The text of every row of a set, in the order of its ids. */
export function generateRows(source: RowSource, schema: EntitySchema): string[] {
  if (schema.name === 'Stemme') return ballotRows(source);
  const random = seededRandom(mixSeed(source.seed, schema.name, 'rows'));
  const special = specialFields(source, schema, random);
  const nextStamp = timestamps(random);
  const writers = schema.properties.map((property): readonly [string, Field] => {
    const stamp: Field = () => (property.nullable && random() < 0.05 ? null : nextStamp());
    const usual = property.name === 'opdateringsdato' ? stamp : usualField(source, { schema, property, random });
    return [JSON.stringify(property.name) + ':', special[property.name] ?? usual];
  });
  return source.idsOf(schema.name).map((id, index) => {
    const row = { id, index };
    return '{' + writers.map(([name, field]) => name + JSON.stringify(field(row))).join(',') + '}';
  });
}

/** Stemme is most of all rows and has five fields: it is written without a detour. */
function ballotRows(source: RowSource): string[] {
  const plan = source.votes();
  const ids = source.idsOf('Stemme');
  const voteIds = source.idsOf('Afstemning');
  const members = source.idsOf('Aktør').filter((_id, index) => actorType(index) === 5);
  const rows: string[] = [];
  plan.seatsOfVote.forEach((seats, vote) => {
    const ending = `,"opdateringsdato":"${ballotStamp(plan, vote)}"}`;
    // Each tenth of the votes is a term with other members.
    const term = Math.floor((10 * vote) / plan.seatsOfVote.length) * 20;
    for (let seat = 0; seat < seats; seat += 1) {
      const member = members[(term + seat) % members.length];
      const start = `{"id":${ids[rows.length]},"typeid":${choiceOf(plan, vote, seat)},"afstemningid":${voteIds[vote]}`;
      rows.push(`${start},"aktørid":${member}${ending}`);
    }
  });
  return rows;
}

function specialFields(source: RowSource, schema: EntitySchema, random: Random): Fields {
  if (schema.name === 'Afstemning') return voteFields(source, random);
  if (schema.name === 'Aktør') return actorFields(random);
  if (schema.name === 'Periode') return periodFields();
  return schema.properties.some((property) => property.name === 'nummernumerisk') ? caseFields(random) : {};
}

function voteFields(source: RowSource, random: Random): Fields {
  const plan = source.votes();
  return {
    nummer: ({ index }) => 1 + (index % 700),
    konklusion: ({ index }) => resultOf(plan, index).konklusion,
    vedtaget: ({ index }) => resultOf(plan, index).vedtaget,
    kommentar: () => (random() < 0.2 ? null : ''),
    opdateringsdato: ({ index }) => voteStamp(plan, index),
  };
}

function actorFields(random: Random): Fields {
  let person = personName(random);
  const isPerson = (index: number): boolean => actorType(index) === 5 || actorType(index) === 12;
  return {
    typeid: ({ index }) => actorType(index),
    gruppenavnkort: ({ index }) =>
      isPerson(index) ? pick(random, [null, '']) : pick(random, ['FIU', 'FOU', 'EUU', 'REU']),
    navn: ({ index }) => {
      person = personName(random);
      return isPerson(index) ? `${person.fornavn} ${person.efternavn}` : bodyName(random, actorType(index));
    },
    fornavn: ({ index }) => (isPerson(index) ? person.fornavn : pick(random, [null, ''])),
    efternavn: ({ index }) => (isPerson(index) ? person.efternavn : ''),
    biografi: () => null,
  };
}

function periodFields(): Fields {
  const year = (index: number): number => 1953 + Math.floor(index / 2);
  return {
    startdato: ({ index }) => `${year(index)}-10-01T00:00:00`,
    slutdato: ({ index }) => `${year(index) + 1}-09-30T00:00:00`,
    type: () => 'samling',
    kode: ({ index }) => `${year(index)}${1 + (index % 2)}`,
    titel: ({ index }) =>
      `${year(index)}-${String((year(index) + 1) % 100).padStart(2, '0')} (${1 + (index % 2)}. samling)`,
  };
}

/** Sag and the five sets that look like it. */
function caseFields(random: Random): Fields {
  const prefixes = ['L', 'B', 'S', 'R', 'V', 'F', ''];
  const prefixOf = (index: number): string => prefixes[index % prefixes.length] ?? '';
  const numberOf = (index: number): string => String(1 + (Math.floor(index / prefixes.length) % 400));
  return {
    nummer: ({ index }) => `${prefixOf(index)} ${numberOf(index)}`.trim(),
    nummerprefix: ({ index }) => prefixOf(index),
    nummernumerisk: ({ index }) => numberOf(index),
    nummerpostfix: () => (random() < 0.05 ? 'A' : ''),
    resume: () => (random() < 0.1 ? '' : paragraph(random, 3, 9)),
    offentlighedskode: () => 'O',
    lovnummer: () => (random() < 0.2 ? `${integerBetween(random, 1, 1500)} af 11. april 2012.` : ''),
  };
}

function usualField(source: RowSource, place: { schema: EntitySchema; property: Property; random: Random }): Field {
  const { schema, property, random } = place;
  if (property.name === schema.key) return ({ id }) => id;
  const link = schema.navigation.find(({ isMany, foreignKey }) => !isMany && foreignKey === property.name);
  const targets = link === undefined ? [] : source.idsOf(link.target);
  const filled = targets.length > 0 ? () => pick(random, targets) : plainField(schema, property, random);
  const emptyShare = property.nullable ? emptiness(property) : 0;
  return (row) => {
    if (emptyShare === 0 || random() >= emptyShare) return filled(row);
    return property.type === 'Edm.String' && random() < 0.6 ? '' : null;
  };
}

/** Which share of a nullable field is null or empty. */
function emptiness(property: Property): number {
  if (/^(titel|titelkort|navn|type|status|kategori|rolle|emneord)$/.test(property.name)) return 0;
  return property.type === 'Edm.String' ? 0.5 : 0.3;
}

function plainField(schema: EntitySchema, property: Property, random: Random): Field {
  switch (property.type) {
    case 'Edm.Boolean':
      return () => random() < 0.5;
    case 'Edm.DateTime':
      return () => sqlDay(random());
    case 'Edm.String':
      return textField(schema, property, random);
    default:
      return () => integerBetween(random, 1, 60);
  }
}

function textField(schema: EntitySchema, property: Property, random: Random): Field {
  const texts = lookUps[schema.name];
  switch (property.name) {
    case 'titel':
    case 'spørgsmålsordlyd':
      return () => title(random);
    case 'titelkort':
    case 'spørgsmålstitel':
      return () => shortTitle(random);
    case 'type':
    case 'status':
    case 'kategori':
    case 'rolle':
      return ({ index }) => texts?.[index] ?? `${schema.name} ${index + 1}`;
    case 'emneord':
      return ({ id }) => `${keyword(random)} ${id}`;
    case 'offentlighedskode':
      return () => 'O';
    case 'filurl':
      return ({ id }) => `http://www.ft.dk/samling/20141/lovforslag/L${id % 300}/${id}.pdf`;
    default:
      return () => shortTitle(random);
  }
}
