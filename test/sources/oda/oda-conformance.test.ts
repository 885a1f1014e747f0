import { createOdaSource } from '../../../src/sources/oda/oda-source.ts';
import type { Behaviour } from '../../../src/twin/behaviour.ts';
import { startTwin } from '../../../src/twin/start-twin.ts';
import { inlineData } from '../../../src/twin/twin-data.ts';
import { describeSource, type Specimen } from '../conformance.ts';
import { quickPolicy, reach } from '../setup.ts';

/** Ids with gaps, and enough of them for several pages of either cap. */
const ids = Array.from({ length: 257 }, (_, index) => 3 + index * 2 + Math.floor(index / 50) * 1000);

/** More than a page of them. */
const isRecent = (id: number) => id % 4 !== 1;

const actors = ids.map((id) => ({
  id,
  typeid: id % 5,
  gruppenavnkort: null,
  navn: `Navn ${id}`,
  opdateringsdato: isRecent(id) ? '2025-02-01T00:00:00.333' : '2025-01-02T03:04:05.67',
}));

const spoiled = [
  { id: 1, rolle: 'Taler', opdateringsdato: '2025-01-02T03:04:05' },
  { key: 2, text: '{"rolle":"uden id","opdateringsdato":"2025-01-02T03:04:05"}' },
  { id: 3, rolle: 'Af', opdateringsdato: '2025-01-02T03:04:05' },
];

async function openSpecimen(behaviour: Partial<Behaviour>): Promise<Specimen> {
  const twin = await startTwin({ dataset: inlineData({ Aktør: actors, SagAktørRolle: spoiled }), behaviour });
  const { client, fetch } = reach(twin.url, { ...quickPolicy, maxAttempts: 8 });
  return {
    source: createOdaSource({ baseUrl: twin.url }),
    fetch,
    entity: 'Aktør',
    keys: ids.map(String),
    filter: 'typeid eq 2 or typeid eq 3',
    filtered: ids.filter((id) => id % 5 === 2 || id % 5 === 3).map(String),
    window: { from: '2025-02-01T00:00:00', before: '2025-02-01T00:00:01', withUntimed: false },
    windowed: ids.filter(isRecent).map(String),
    latest: '2025-02-01T00:00:00.333',
    keysFilter: (keys) => keys.map((key) => `id eq ${key}`).join(' or '),
    emptyFilter: "navn eq 'Ingen'",
    unknownFilter: 'typid eq 2',
    field: 'navn',
    nearEntity: 'Aktor',
    spoiled: { entity: 'SagAktørRolle', keys: ['1', '3'] },
    close: async () => {
      await client.close();
      await twin.stop();
    },
  };
}

describeSource('oda, pages of 100', () => openSpecimen({}));
describeSource('oda, pages of 20 with numbers for counts', () => openSpecimen({ cap: 20, count: 'number' }));
describeSource('oda without next-links', () => openSpecimen({ nextLink: 'never' }));
describeSource('oda with next-links everywhere, compressed', () => openSpecimen({ nextLink: 'always', gzip: true }));
describeSource('oda with next-links that loop', () => openSpecimen({ nextLink: 'loop', cap: 20 }));
describeSource('oda where every tenth answer fails', () =>
  openSpecimen({ faults: [{ fault: { kind: 'status', status: 503 }, rate: 0.1 }] }),
);
