import { describe, expect, it } from 'vitest';
import { findWatermark } from '../../src/db/queries/watermarks.ts';
import type { Comparison } from '../../src/domain/comparison.ts';
import { parseDataset } from '../../src/domain/dataset.ts';
import { commandLineActor } from '../../src/runtime/audited.ts';
import { resumeRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { reportRun } from '../../src/runtime/report.ts';
import { startRepair, type VerifyOptions, verifyDataset, verifyRepair } from '../../src/runtime/verify.ts';
import type { Fleet } from '../support/fleet.ts';
import { tableContent } from '../support/independent.ts';
import { type Living, proofOf, SET, setUp, whenStaged } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';

const NAME = `oda/${SET}`;
const ALL = Number.MAX_SAFE_INTEGER;

const verify = (fleet: Fleet, options: Partial<VerifyOptions> = {}) =>
  verifyDataset(fleet.context, { dataset: parseDataset(NAME), samples: 0, ...options });

/** Verifies, repairs what was found, and verifies the ranges again. */
async function repair(fleet: Fleet, options: Partial<VerifyOptions> & { maxDeletes?: number } = {}) {
  const { maxDeletes = null, ...verifying } = options;
  const verification = await verify(fleet, verifying);
  const run = await startRepair(fleet.context, verification, { actor: commandLineActor(), maxDeletes });
  const worker = await fleet.startWorker();
  await fleet.ended(run);
  await worker.stop();
  return verifyRepair(fleet.context, verification, run);
}

/** Changes a record at the source, its timestamp left as it was. */
function edit(fleet: Fleet, source: Living, id: number): void {
  const row = { ...votes([id])[0], konklusion: `edited ${id}` };
  fleet.twin.put(SET, row as never);
  source.rows.set(id, row);
}

/** Moves a record to another key. */
function rekey(fleet: Fleet, source: Living, from: number, to: number): void {
  const row = { ...source.rows.get(from), id: to };
  source.remove(from);
  fleet.twin.put(SET, row as never);
  source.rows.set(to, row);
}

const spans = ({ differences }: Comparison) => differences.map(({ after, upto }) => [after, upto]);
const IDS = range(1, 5_000).filter((id) => id !== 77 && id % 10 !== 0); // 4,499 records, gaps everywhere

describe('verifying a copy', () => {
  it('costs two requests when all is well, besides the samples, and says what those prove', async () => {
    const { fleet, source } = await setUp({ ids: IDS });
    await expect(verify(fleet)).rejects.toMatchObject({ code: 'unknown-dataset' }); // never harvested
    const unknown = verifyDataset(fleet.context, { dataset: parseDataset('oda/Afstemningen'), samples: 0 });
    await expect(unknown).rejects.toMatchObject({ code: 'unknown-entity' });
    const { run } = await fleet.harvest(NAME, { formats: [] });
    fleet.twin.clearRequests();
    const { comparison } = await verify(fleet, { samples: 5 });
    expect(comparison).toMatchObject({
      dataset: NAME,
      state: 'same',
      strategy: 'keyset',
      counts: { source: IDS.length, copy: IDS.length, rejected: 0 },
      differences: [],
      isBounded: false,
      sampled: { pages: 5, ofPages: 45 },
      requests: 7,
      lastInStep: { run, kind: 'sweep' },
      repair: null,
    });
    expect(comparison.sampled.detectableShare).toBeCloseTo(0.451, 3);
    expect(fleet.twin.requests).toHaveLength(7);

    fleet.twin.clearRequests();
    const all = (await verify(fleet, { samples: ALL })).comparison;
    expect(all).toMatchObject({ state: 'same', sampled: { pages: 45, ofPages: 45, records: IDS.length } });
    expect(all.sampled.detectableShare).toBe(0);

    edit(fleet, source, 251); // without samples it cannot be seen, and the output says how little is proved
    const blind = (await verify(fleet)).comparison;
    expect(blind).toMatchObject({ state: 'same', sampled: { pages: 0, ofPages: 45, detectableShare: 1 } });
  });

  it('finds the very pages that were planted to differ, and a repair fetches nothing else', async () => {
    const { fleet, source } = await setUp({ ids: IDS });
    await fleet.harvest(NAME, { formats: [] });
    source.remove(1, 1_001, 1_002, 4_999); // at both ends, too
    source.put(77, 6_000, -5); // late, beyond the end, and below it
    edit(fleet, source, 3_001); // a silent edit, and as many gone as come, which no count shows
    rekey(fleet, source, 2_002, 2_000);
    const { comparison } = await verify(fleet, { samples: ALL });
    expect(comparison.state).toBe('differs');
    const pageOf = (id: number) => comparison.differences.filter(({ after, upto }) => id > after && id <= upto);
    const planted = [-5, 1, 77, 1_001, 1_002, 2_000, 2_002, 3_001, 4_999, 6_000];
    for (const id of planted) expect(pageOf(id), `${id}`).toHaveLength(1);
    const pages = new Set(planted.flatMap(pageOf));
    expect(pages.size).toBe(comparison.differences.length);
    expect(pageOf(3_001)[0]).toMatchObject({ foundBy: 'sample', lacking: 0, gone: 0, edited: 1 });
    expect(pageOf(2_000)[0]).toMatchObject({ foundBy: 'sample', lacking: 1, gone: 0, edited: 0 });
    expect(pageOf(1_001)[0]).toMatchObject({ foundBy: 'count', source: 99, copy: 100, lacking: null });
    expect(pageOf(6_000)[0]).toMatchObject({ foundBy: 'count', source: 1, copy: 0 });

    const url = fleet.context.database.url;
    const of = { dataset: NAME, sourceUrl: fleet.twin.url, request: { filter: null, select: null, maxRecords: null } };
    const reached = await findWatermark(fleet.context.database, of);
    fleet.twin.clearRequests();
    const repaired = await repair(fleet, { samples: ALL });
    expect(repaired.repair).toMatchObject({ left: [], run: { kind: 'repair', state: 'complete' } });
    expect(repaired.repair?.run).toMatchObject({ inserted: 3, updated: 1, deleted: 4, rekeyed: 1 });
    expect(await tableContent(url, NAME)).toEqual(source.content());
    expect(await findWatermark(fleet.context.database, of)).toBe(reached);
    const run = await findRun(fleet.context, repaired.repair?.run.run ?? '');
    expect(await proofOf(fleet, run.id)).toMatchObject({ holds: true, isCovered: true, missing: 5 });
    expect(run.ranges).toHaveLength(5); // four pairs of pages touch
    expect(repaired.repair?.run.pages).toBeLessThanOrEqual(2 * planted.length);
    expect((await verify(fleet, { samples: ALL })).comparison).toMatchObject({ state: 'same', differences: [] });
  });

  it('is bounded: it stops asking, and says that ranges may be wider than what differs', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 3_000) });
    await fleet.harvest(NAME, { formats: [] });
    source.remove(...range(1, 3_000).filter((id) => id % 400 === 7));
    fleet.twin.clearRequests();
    const { comparison } = await verify(fleet, { mostCounts: 6 });
    expect(comparison).toMatchObject({ state: 'differs', isBounded: true });
    expect(fleet.twin.requests.length).toBeLessThanOrEqual(2 + 1 + 1 + 6);
    for (const id of range(1, 3_000).filter((each) => each % 400 === 7))
      expect(spans(comparison).some(([after = 0, upto = 0]) => id > after && id <= upto)).toBe(true);
    const repaired = await repair(fleet, { mostCounts: 6 });
    expect(repaired.repair).toMatchObject({ left: [], run: { deleted: 8 } });
    expect(await tableContent(fleet.context.database.url, NAME)).toEqual(source.content());
  });

  it('counts what could not be taken neither for nor against the copy', async () => {
    const { fleet } = await setUp({ ids: range(1, 300) });
    fleet.twin.put(SET, { ...votes([150])[0], konklusion: 'a\u0000b' } as never);
    expect(await fleet.harvest(NAME, { formats: [] })).toMatchObject({ rejected: 1, state: 'complete' });
    const { comparison } = await verify(fleet, { samples: ALL });
    expect(comparison).toMatchObject({ state: 'same', counts: { source: 300, copy: 299, rejected: 1 } });

    fleet.twin.setBehaviour({ count: 'missing' }); // then only ends and pages can be compared
    fleet.twin.put(SET, votes([500])[0] as never);
    const uncounted = (await verify(fleet, { samples: ALL })).comparison;
    expect(uncounted).toMatchObject({ state: 'differs', counts: { source: null, copy: 299 } });
    expect(spans(uncounted)).toEqual([[300, 500]]);
  });

  it('finds and repairs an emptied source, and a copy that is empty', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 150) });
    await fleet.harvest(NAME, { formats: [] });
    const isRepaired = async () => {
      const repaired = await repair(fleet, { maxDeletes: 1 });
      expect(repaired.differences).toHaveLength(1);
      expect(repaired.repair).toMatchObject({ left: [], run: { state: 'complete' } });
      expect(await tableContent(fleet.context.database.url, NAME)).toEqual(source.content());
    };
    source.remove(...range(1, 150));
    await isRepaired();
    source.put(...range(1, 150));
    await isRepaired();
  });
});

describe('a repair', () => {
  it('deletes no more than its share', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 400) });
    await fleet.harvest(NAME, { formats: [] });
    source.remove(...range(101, 200));
    const refused = await repair(fleet);
    expect(refused.repair?.run).toMatchObject({ state: 'partial', deleted: 0 });
    expect(refused.repair?.run.deletesWithheld).toMatch(
      /^100 of 400 records.* repair again with a higher --max-deletes/,
    );
    expect(refused.repair?.left).toHaveLength(1);
    expect((await repair(fleet, { maxDeletes: 0.25 })).repair).toMatchObject({ left: [], run: { deleted: 100 } });
    expect(await tableContent(fleet.context.database.url, NAME)).toEqual(source.content());
  });

  it('that was interrupted goes on where it stood', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 2_000).filter((id) => id % 2 === 1) });
    await fleet.harvest(NAME, { formats: [] });
    source.remove(5, 505, 905);
    const verification = await verify(fleet);
    const run = await startRepair(fleet.context, verification, { actor: commandLineActor(), maxDeletes: null });
    const staged = Promise.withResolvers<void>();
    whenStaged(fleet, 1, staged.resolve);
    fleet.twin.setBehaviour({ latencyMs: 500 }); // so that it is stopped well before the last page
    const worker = await fleet.startWorker(1);
    await staged.promise;
    await worker.stop();
    fleet.twin.setBehaviour({ latencyMs: 0 });
    expect(await findRun(fleet.context, run)).toMatchObject({ state: 'fetching' });
    source.remove(507); // while it lies idle: gone when it goes on
    source.put(...range(1, 99).map((half) => 2 * half)); // and this many more have come in one of its ranges
    await resumeRun(fleet.context, await findRun(fleet.context, run));
    await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({ kind: 'repair', state: 'complete', deleted: 4, inserted: 99 });
    expect(await reportRun(fleet.context.database, run)).toMatchObject({ records: 395, expected: 395 });
    expect(await proofOf(fleet, run)).toMatchObject({ countBefore: 297, countAfter: 395 });
    expect(await tableContent(fleet.context.database.url, NAME)).toEqual(source.content());
  });

  it('fetches a range once more when it changes while it is read, and leaves the rest alone', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 1_000) });
    await fleet.harvest(NAME, { formats: [] });
    source.remove(5, 6);
    const verification = await verify(fleet);
    const run = await startRepair(fleet.context, verification, { actor: commandLineActor(), maxDeletes: null });
    whenStaged(fleet, 1, () => source.remove(7, 900)); // the second one lies outside: it is the next verification's
    await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', deleted: 3 });
    expect(await proofOf(fleet, run)).toMatchObject({ rereads: 1, rereadSlices: 1 });
    expect(spans((await verify(fleet)).comparison)).toEqual([[803, 903]]);
  });
});
