import { describe, expect, it } from 'vitest';
import { inlineData } from '../../src/twin/twin-data.ts';
import { startFleet } from '../support/fleet.ts';
import { contentOf, ndjsonContent, type Row, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const CAP = 20;
const MEMBERS = 30;
const stamp = '2014-09-19T14:41:02';
const members: Row[] = range(1, MEMBERS).map((id) => ({
  id,
  typeid: 5,
  navn: `Nr. ${id} æøå`,
  periodeid: null,
  opdateringsdato: stamp,
}));
for (const member of members)
  Object.assign(member, {
    gruppenavnkort: '',
    fornavn: null,
    efternavn: '',
    biografi: null,
    startdato: null,
    slutdato: null,
  });

/** Of vote n, as many ballots as n modulo 50: none, some, more than a page, more than two. */
function ballots(voteIds: readonly number[]): Row[] {
  return voteIds.flatMap((afstemningid) =>
    range(1, afstemningid % 50).map((seat) => ({
      id: afstemningid * 100 + seat,
      typeid: (seat % 4) + 1,
      afstemningid,
      aktørid: 1 + ((seat + afstemningid) % MEMBERS),
      opdateringsdato: stamp,
    })),
  );
}

const VOTE_IDS = range(1, 60);
const rows = { Afstemning: votes(VOTE_IDS) as Row[], Stemme: ballots(VOTE_IDS), Aktør: members };
const table = (url: string, entity: string) => tableContent(url, `oda/${entity}`);

async function setUp() {
  const fleet = await startFleet({ twin: { dataset: inlineData(rows as never), behaviour: { cap: CAP } } });
  return { fleet, url: fleet.context.database.url };
}

describe('a harvest that follows relations', () => {
  it('stores what comes nested as records of its own datasets, to the end of each collection, and parents as without', async () => {
    const { fleet, url } = await setUp();
    const report = await fleet.harvest('oda/Afstemning', { expand: ['Stemme/Aktør'] });
    expect(report).toMatchObject({ state: 'complete', records: 60, inserted: 60, rejected: 0 });
    expect(await table(url, 'Afstemning')).toEqual(contentOf(rows.Afstemning));
    expect(await table(url, 'Stemme')).toEqual(contentOf(rows.Stemme));
    expect(await table(url, 'Aktør')).toEqual(contentOf(rows.Aktør));
    expect(report.related).toEqual([
      { dataset: 'oda/Aktør', records: 30, inserted: 30, updated: 0, unchanged: 0, rejected: 0 },
      {
        dataset: 'oda/Stemme',
        records: rows.Stemme.length,
        inserted: rows.Stemme.length,
        updated: 0,
        unchanged: 0,
        rejected: 0,
      },
    ]);
    const files = new Map(report.exports.map(({ dataset, format, path }) => [`${dataset} ${format}`, path]));
    expect([...files.keys()]).toHaveLength(6);
    expect(await ndjsonContent(files.get('oda/Afstemning ndjson') ?? '')).toEqual(contentOf(rows.Afstemning));
    expect(await ndjsonContent(files.get('oda/Stemme ndjson') ?? '')).toEqual(contentOf(rows.Stemme));
    expect(await ndjsonContent(files.get('oda/Aktør ndjson') ?? '')).toEqual(contentOf(rows.Aktør));
    const again = await fleet.harvest('oda/Afstemning');
    expect(again).toMatchObject({ inserted: 0, updated: 0, unchanged: 60, deleted: 0, related: [] });
    const nested = await fleet.harvest('oda/Afstemning', { expand: ['Stemme'], relations: 'nested' });
    expect(nested.related).toEqual([
      {
        dataset: 'oda/Stemme',
        records: rows.Stemme.length,
        inserted: 0,
        updated: 0,
        unchanged: rows.Stemme.length,
        rejected: 0,
      },
    ]);
  });
});
