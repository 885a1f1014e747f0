import { describe, expect, it } from 'vitest';
import type { SliceRow } from '../../src/db/schema.ts';
import type { HarvestRequest } from '../../src/domain/harvest-request.ts';
import { resumeRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import type { FaultRule } from '../../src/twin/faults.ts';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { inlineData, type TwinData } from '../../src/twin/twin-data.ts';
import { describeEngines } from '../support/engines.ts';
import { startFleet } from '../support/fleet.ts';
import { contentOf } from '../support/independent.ts';
import {
  countsOf,
  expectCopy,
  isCount,
  type Living,
  launch,
  pagesOf,
  proofOf,
  SET,
  setUp,
  slicesOf,
  whenFetched,
  whenStaged,
} from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';

/** Does something at every request for the set. */
const atEachRequest = (act: () => void): FaultRule => ({
  fault: { kind: 'status', status: 500 },
  where: {
    entity: SET,
    matches: () => {
      act();
      return false;
    },
  },
});

const missing = (slice: SliceRow | undefined, rows: number, count?: number): FaultRule => ({
  fault: { kind: 'missing-rows', rows },
  where: { entity: SET, pathIncludes: `id le ${slice?.span.upto}&`, matches: ({ path }) => !isCount(path) },
  ...(count === undefined ? {} : { count }),
});

describeEngines('a source that changes while it is read by key', (redisUrl) => {
  it('is copied as it is in the end: what came beyond the end or behind the cursor, and without what went', async () => {
    const { fleet, source } = await setUp({ ids: [...range(1, 400), ...range(501, 900)], redisUrl });
    whenFetched(fleet, (time) => {
      if (time > 1) return;
      source.remove(10, 11, 700);
      source.put(450, ...range(901, 905));
    });
    const run = await launch(fleet);
    await fleet.startWorker();
    const report = await fleet.ended(run);
    await expectCopy(fleet, report, source.content());
    expect(report.expected).toBe(803);
    expect(await proofOf(fleet, run)).toMatchObject({
      ...{ holds: true, countBefore: 800, countAfter: 803, upto: 905 },
      ...{ rereads: 1, rereadSlices: 3, isExtended: true },
    });
  });

  it('is copied when it changes between pages', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 1_500).filter((id) => id % 3 !== 0), redisUrl });
    whenStaged(fleet, 2, () => source.remove(1, 2, 4, 1_490, 1_499));
    whenStaged(fleet, 5, () => source.put(3, 6, 840, 1_497, 1_503));
    whenStaged(fleet, 7, () => source.remove(700, 701, 1_499));
    const run = await launch(fleet);
    await fleet.startWorker(1);
    await expectCopy(fleet, await fleet.ended(run), source.content());
  });

  it('does not hide rows that were lost behind rows that went', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 900), redisUrl });
    const run = await launch(fleet);
    const lossy = (await slicesOf(fleet, run))[2];
    fleet.twin.setBehaviour({ faults: [missing(lossy, 5, 1)] });
    whenFetched(fleet, (time) => time === 1 && source.remove(...range(801, 810)));
    await fleet.startWorker();
    await expectCopy(fleet, await fleet.ended(run), source.content());
    expect(await proofOf(fleet, run)).toMatchObject({ countBefore: 900, countAfter: 890, rereads: 1, rereadSlices: 2 });
  });
});

describe('a source that changes while it is read by key', () => {
  it('is copied with what came before its first key, and when it was empty at first', async () => {
    const low = await setUp({ ids: range(501, 700) });
    whenFetched(low.fleet, (time) => time === 1 && low.source.put(7, 499));
    const report = await low.fleet.harvest(`oda/${SET}`);
    await expectCopy(low.fleet, report, low.source.content());
    expect(await proofOf(low.fleet, report.run)).toMatchObject({ rereads: 0, isExtended: true, upto: 700 });

    const empty = await setUp({ ids: [] });
    whenFetched(empty.fleet, (time) => time === 1 && empty.source.put(...range(901, 1_150)));
    await expectCopy(empty.fleet, await empty.fleet.harvest(`oda/${SET}`), empty.source.content());
  });

  it('is copied when nothing is left of it, and when only its last rows went', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 300) });
    whenFetched(fleet, (time) => {
      if (time === 1) source.remove(...range(1, 300));
    });
    await expectCopy(fleet, await fleet.harvest(`oda/${SET}`), new Map());
    const tail = await setUp({ ids: range(1, 300) });
    whenFetched(tail.fleet, (time) => time === 1 && tail.source.remove(299, 300));
    await expectCopy(tail.fleet, await tail.fleet.harvest(`oda/${SET}`), tail.source.content());
  });

  it('is copied when as many rows came beyond the end as went before it', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 300) });
    whenFetched(fleet, (time) => {
      if (time > 1) return;
      source.remove(5);
      source.put(301);
    });
    await expectCopy(fleet, await fleet.harvest(`oda/${SET}`), source.content());
  });

  it('is asked for its tail once, so that one that never ends growing is copied up to a key', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 500) });
    let next = 500;
    fleet.twin.setBehaviour({ faults: [atEachRequest(() => source.put(++next))] });
    const report = await fleet.harvest(`oda/${SET}`, { formats: ['ndjson'] });
    const proof = await proofOf(fleet, report.run);
    expect(proof).toMatchObject({ holds: true, isExtended: true });
    const upto = proof?.upto ?? 0;
    expect(upto).toBeGreaterThan(500);
    expect(upto).toBeLessThan(next);
    await expectCopy(fleet, report, contentOf(votes(range(1, upto))));
  });

  it('is partial when it changes faster than it is read, after a bounded number of rounds', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 1_000) });
    let next = 0;
    whenFetched(fleet, () => source.remove(++next));
    const report = await fleet.harvest(`oda/${SET}`, { formats: [] });
    expect(report.state).toBe('partial');
    expect(report.reason).toMatch(
      /^the source counts 996, but 997 came \(0 of them rejected\), although .* fetched once more \(rounds: 3, slices in all: 3\)/,
    );
    expect(await proofOf(fleet, report.run)).toMatchObject({ holds: false, rereads: 3, rereadSlices: 3 });
    expect(next).toBe(4);
  });

  it('is asked with the run’s own filter', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 1_200) });
    whenFetched(fleet, (time) => {
      if (time > 1) return;
      source.remove(4, 5);
      source.put(1_201, 1_202, 1_203, 1_204);
    });
    const run = await launch(fleet, { filter: 'typeid eq 1' });
    await fleet.startWorker();
    const report = await fleet.ended(run);
    const wanted = [...source.rows.values()].filter((row) => row['typeid'] === 1);
    await expectCopy(fleet, report, contentOf(wanted));
    const counts = fleet.twin.requests.filter(({ path }) => isCount(path));
    expect(counts.every(({ path }) => path.includes('typeid eq 1'))).toBe(true);
    expect(await proofOf(fleet, run)).toMatchObject({ rereadSlices: 1, upto: 1_204 });
  });

  it('does not double the rejects of slices that are read once more', async () => {
    const schema = [parseEntitySchema('Odd', 'id:l text:s?')];
    const dataset: TwinData = inlineData(
      {
        Odd: [
          '{"id":1,"text":"a"}',
          { key: 2, text: '{"text":"no key"}' },
          '{"id":3,"text":"nul \\u0000"}',
          '{"id":4}',
        ],
      },
      { schema },
    );
    const fleet = await startFleet({ twin: { dataset } });
    whenFetched(fleet, (time) => {
      if (time === 1) fleet.twin.remove('Odd', 1);
    });
    const report = await fleet.harvest('oda/Odd', { formats: [] });
    expect(report).toMatchObject({ state: 'complete', records: 1, rejected: 2 });
    const { rows } = await fleet.context.database.pool.query('select reason from sheaf.rejects order by reason');
    expect(rows.map(({ reason }) => reason)).toEqual(['no-key', 'not-storable']);
    expect(await proofOf(fleet, report.run)).toMatchObject({ rereads: 1 });
  });

  it('leaves a run with a limit as it is', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 500) });
    whenFetched(fleet, () => {
      source.remove(20, 21);
      source.put(501);
    });
    const run = await launch(fleet, { maxRecords: 200 });
    await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', records: 200 });
    expect(await proofOf(fleet, run)).toMatchObject({ rereads: 0, isExtended: false, countAfter: 198 });
    expect(countsOf(fleet)).toBe(1);
  });
});

describe('a source that leaves rows out of a page', () => {
  it('is found out by halving, and only that slice is fetched once more', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 900) });
    const run = await launch(fleet);
    const slices = await slicesOf(fleet, run);
    expect(slices).toHaveLength(9);
    fleet.twin.setBehaviour({ faults: [missing(slices[5], 1, 1)] });
    await fleet.startWorker();
    await expectCopy(fleet, await fleet.ended(run), source.content());
    expect(await proofOf(fleet, run)).toMatchObject({ rereads: 1, rereadSlices: 1, isExtended: false });
    expect(countsOf(fleet)).toBeLessThanOrEqual(1 + 1 + 4 + 1); // everything, the span, halves of nine, everything
  });

  it('leaves the run partial when it goes on doing so, in bounded time; and complete when it is resumed after that', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 900) });
    const run = await launch(fleet);
    fleet.twin.setBehaviour({ faults: [missing((await slicesOf(fleet, run))[5], 3)] });
    const worker = await fleet.startWorker();
    const report = await fleet.ended(run);
    expect(report).toMatchObject({ state: 'partial', records: 897 });
    expect(report.reason).toMatch(/the source counts 900, but 897 came .*rounds: 3.*leaves rows out of its pages$/);
    expect(countsOf(fleet)).toBeLessThanOrEqual(3 * (1 + 1 + 4) + 2);
    expect(pagesOf(fleet)).toBe(9 + 3);
    fleet.twin.setBehaviour({ faults: [] });
    await resumeRun(fleet.context, await findRun(fleet.context, run));
    await expectCopy(fleet, await fleet.ended(run), source.content());
    await worker.stop();
  });
});

describe('a source that is read by position', () => {
  const byPosition = { strategy: 'offset', formats: ['ndjson'] } as const;

  it.each<[string, (source: Living) => void]>([
    ['grew', (source) => source.put(...range(953, 1_200))],
    ['shrank', (source) => source.remove(3, 500, 501)],
    ['grew at its beginning', (source) => source.put(1, 2)],
  ])('is fetched once more as a whole when it %s meanwhile', async (_what, change) => {
    const { fleet, source } = await setUp({ ids: range(3, 952) });
    whenFetched(fleet, (time) => time === 1 && change(source));
    const report = await fleet.harvest(`oda/${SET}`, byPosition);
    await expectCopy(fleet, report, source.content());
    const count = source.rows.size;
    expect(await proofOf(fleet, report.run)).toMatchObject({
      ...{ countBefore: 950, countAfter: count, upto: null, rereads: 1 },
    });
  });

  it('is partial when it changes once more', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 950) });
    let time = 0;
    whenFetched(fleet, () => {
      time += 1;
      source.put(950 + time);
    });
    const report = await fleet.harvest(`oda/${SET}`, byPosition);
    expect(report.state).toBe('partial');
    expect(report.reason).toMatch(
      /the source counted 951 before and 952 after .*a walk by position over a source that/,
    );
    expect(time).toBe(2);
  });

  it('is partial when rows go on missing', async () => {
    const { fleet } = await setUp({ ids: range(1, 950) });
    const run = await launch(fleet, byPosition);
    fleet.twin.setBehaviour({
      faults: [{ fault: { kind: 'missing-rows' }, where: { entity: SET, key: 950, pathIncludes: '$skip' } }],
    });
    await fleet.startWorker();
    const report = await fleet.ended(run);
    expect(report.state).toBe('partial');
    expect(report.reason).toMatch(/the source counts 950, but 949 came .*although all of it was fetched a second time/);
  });
});

describe('a source that stands still', () => {
  it.each<[string, Partial<HarvestRequest>, number, number]>([
    ['by key', {}, 950, 1],
    ['by position', { strategy: 'offset' }, 950, 1],
    ['with a filter', { filter: 'typeid eq 2' }, 950, 1],
    ['when it is empty', {}, 0, 1],
  ])('is asked one question at the end, %s', async (_what, changes, size, questions) => {
    const { fleet } = await setUp({ ids: range(1, size) });
    const run = await launch(fleet, changes);
    await fleet.startWorker();
    const report = await fleet.ended(run);
    expect(report).toMatchObject({ state: 'complete' });
    expect(countsOf(fleet)).toBe(questions);
    expect(pagesOf(fleet)).toBe(report.pages);
  });

  it('and does not count is partial, as ever', async () => {
    const { fleet } = await setUp({ ids: range(1, 300) });
    const run = await launch(fleet);
    fleet.twin.setBehaviour({ count: 'missing' });
    await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({
      state: 'partial',
      reason: 'the source does not say how many records it has',
    });
    expect(countsOf(fleet)).toBe(1);
  });
});
