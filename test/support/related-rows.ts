import type { RelatedReport } from '../../src/domain/report.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { startFleet } from './fleet.ts';
import { type Row, tableContent } from './independent.ts';
import { range, votes } from './rows.ts';

/** Rows after which the twin cuts, pages and nested collections alike. */
export const CAP = 20;
export const STAMP = '2014-09-19T14:41:02';

export const members: readonly Row[] = range(1, 30).map((id) => ({
  id,
  typeid: 5,
  gruppenavnkort: '',
  navn: `Nr. ${id} æøå`,
  fornavn: null,
  efternavn: '',
  biografi: null,
  periodeid: null,
  opdateringsdato: STAMP,
  startdato: null,
  slutdato: null,
}));

/** A ballot; its id tells its vote: 203 is one of vote 2. */
export const ballot = (id: number, change: Row = {}): Row => ({
  id,
  typeid: (id % 4) + 1,
  afstemningid: Math.floor(id / 100),
  aktørid: 1 + (id % 30),
  opdateringsdato: STAMP,
  ...change,
});

/** Of vote n as many ballots as n modulo 50: none, some, a full page, more than two. */
export const ballots = range(1, 60).flatMap((vote) => range(1, vote % 50).map((seat) => ballot(vote * 100 + seat)));
export const parents = votes(range(1, 60)) as Row[];

/** A fleet in front of votes, with ballots, with members. */
export async function setUpRelated({ more = [], cap = CAP }: { more?: readonly unknown[]; cap?: number } = {}) {
  const dataset = inlineData({ Afstemning: parents, Stemme: [...ballots, ...more], Aktør: members } as never);
  const fleet = await startFleet({ twin: { dataset, behaviour: { cap } } });
  const { pool, url } = fleet.context.database;
  return { fleet, pool, table: (entity: string) => tableContent(url, `oda/${entity}`) };
}

/** What a report says of a dataset whose records came nested. */
export function counts(dataset: string, records: number, change: Partial<RelatedReport> = {}): RelatedReport {
  return { dataset: `oda/${dataset}`, records, inserted: 0, updated: 0, unchanged: 0, rejected: 0, ...change };
}
