import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { relatedTable } from '../../src/db/queries/related.ts';
import { UsageError } from '../../src/domain/errors.ts';
import type { HarvestRequest } from '../../src/domain/harvest-request.ts';
import { checkRequests, launchRun, retryRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { findRejects, listRejectsOf } from '../../src/runtime/rejects.ts';
import { replayRejects } from '../../src/runtime/replay-rejects.ts';
import { contentOf } from '../support/independent.ts';
import { whenFetched } from '../support/living-source.ts';
import { ballot, ballots, counts, parents, setUpRelated } from '../support/related-rows.ts';
import { range } from '../support/rows.ts';

const ndjson: Partial<HarvestRequest> = { formats: ['ndjson'] };
const expanded: Partial<HarvestRequest> = { ...ndjson, expand: ['Stemme'] };

describe('relations that are followed through trouble', () => {
  it('keep a nested record that cannot be taken as a reject of its dataset, which is replayed there', async () => {
    const bad = { key: 999_999, text: JSON.stringify(ballot(1999, { id: null })) };
    const { fleet, pool, table } = await setUpRelated({ more: [bad] });
    const report = await fleet.harvest('oda/Afstemning', expanded);
    expect(report).toMatchObject({ state: 'complete', rejected: 0 });
    expect(report.related).toMatchObject([{ dataset: 'oda/Stemme', records: ballots.length, rejected: 1 }]);
    const target = await findRejects(fleet.context, report.run);
    const { rejects } = await listRejectsOf(fleet.context, target, { reason: null, limit: 5 });
    expect(rejects).toMatchObject([{ dataset: 'oda/Stemme', reason: 'no-key', key: null }]);
    // A reject without a key says nothing of votes: those that have gone are marked all the same.
    fleet.twin.remove('Afstemning', 2);
    expect(await fleet.harvest('oda/Afstemning', expanded)).toMatchObject({ state: 'complete', deleted: 1 });
    await pool.query(`update sheaf.rejects set record = $1`, [JSON.stringify(ballot(1999))]);
    const options = { reason: null, isDryRun: false };
    expect(await replayRejects(fleet.context, await findRejects(fleet.context, 'latest'), options)).toMatchObject({
      taken: 1,
    });
    expect(await table('Stemme')).toEqual(contentOf([...ballots, ballot(1999)]));
    expect(await table('Afstemning')).toEqual(contentOf(parents.filter(({ id }) => id !== 2)));
  });

  it('fetch slices again that lost what was nested in them, and count nothing twice', async () => {
    const { fleet, pool, table } = await setUpRelated();
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', { ...expanded, relations: 'nested' }));
    const lost: Promise<unknown>[] = [];
    whenFetched(fleet, (time) => {
      if (time === 1) lost.push(pool.query(`truncate ${relatedTable(run)}`));
    });
    await fleet.startWorker();
    const report = await fleet.ended(run);
    await Promise.all(lost);
    expect(report).toMatchObject({ state: 'complete', records: 60 });
    expect(report.exports).toMatchObject([{ dataset: 'oda/Afstemning', records: 60 }]);
    expect(await table('Stemme')).toEqual(contentOf(ballots));
  });

  it('stage a page once, however often workers are stopped in the middle of what is nested in it', async () => {
    const { fleet, pool, table } = await setUpRelated();
    const run = await launchRun(fleet.context, fleet.request('oda/Afstemning', expanded));
    for (const nested of [2, 5, 9]) {
      fleet.twin.clearRequests();
      const worker = await fleet.startWorker(2);
      const isThere = () => fleet.twin.requests.filter(({ path }) => path.includes('/Stemme')).length >= nested;
      const { state } = await findRun(fleet.context, run);
      while (state === 'fetching' && !isThere()) await new Promise(setImmediate);
      await worker.stop();
    }
    await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({
      state: 'complete',
      records: 60,
      related: [{ records: ballots.length }],
    });
    expect(await table('Stemme')).toEqual(contentOf(ballots));
    const { rows } = await pool.query(`select sum(related) as related from sheaf.slices where run_id = $1`, [run]);
    expect(Number(rows[0].related)).toBe(ballots.length);
  });

  it('read a page again when a record went while what is nested in it was read', async () => {
    const { fleet, table } = await setUpRelated();
    const where = { pathIncludes: '(45)/Stemme' };
    fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'status', status: 404 }, where, count: 1 }] });
    const report = await fleet.harvest('oda/Afstemning', expanded);
    expect(report).toMatchObject({ state: 'complete', records: 60 });
    expect(await table('Stemme')).toEqual(contentOf(ballots));
  });

  it('fail a page whose nested collections cannot be read, and go on with retry', async () => {
    const { fleet, table } = await setUpRelated();
    fleet.twin.setBehaviour({
      faults: [{ fault: { kind: 'status', status: 403 }, where: { pathIncludes: '(24)/Stemme' } }],
    });
    const report = await fleet.harvest('oda/Afstemning', expanded);
    expect(report).toMatchObject({ state: 'failed', inserted: 0, error: { code: 'http-403' } });
    fleet.twin.setBehaviour({ faults: [] });
    await retryRun(fleet.context, await findRun(fleet.context, report.run));
    await fleet.startWorker();
    expect(await fleet.ended(report.run)).toMatchObject({ state: 'complete', records: 60 });
    expect(await table('Stemme')).toEqual(contentOf(ballots));
  });

  it('end with advice when a page holds more than is kept in memory, or the source goes in a circle', async () => {
    const { fleet } = await setUpRelated({
      cap: 1,
      more: range(1, 520).map((seat) => ballot(seat + 10_000, { afstemningid: 40 })),
    });
    const large = await fleet.harvest('oda/Afstemning', { ...expanded, filter: 'id eq 40' });
    expect(large).toMatchObject({ state: 'failed', error: { code: 'expand-too-large' } });
    expect(large.reason).toContain('sheaf harvest oda/Stemme');
    fleet.twin.setBehaviour({ nextLink: 'loop' });
    const circle = await fleet.harvest('oda/Afstemning', { ...expanded, filter: 'id eq 4' });
    expect(circle).toMatchObject({ state: 'failed', error: { code: 'bad-next-link' } });
  });

  it('of two runs that lead to each other never wait for each other for ever', async () => {
    const { fleet, table } = await setUpRelated();
    const runs = [
      await launchRun(fleet.context, fleet.request('oda/Afstemning', expanded)),
      await launchRun(fleet.context, fleet.request('oda/Stemme', { ...expanded, expand: ['Afstemning'] })),
    ];
    await fleet.startWorker();
    for (const run of runs) expect(await fleet.ended(run)).toMatchObject({ state: 'complete' });
    expect(await table('Stemme')).toEqual(contentOf(ballots));
    expect(await table('Afstemning')).toEqual(contentOf(parents));
  });

  it('by steps brings the relations of what has changed, and starts with a sweep of its own', async () => {
    const { fleet, table } = await setUpRelated();
    const expand = ['Stemme'];
    await fleet.harvest('oda/Afstemning', ndjson);
    const first = await fleet.harvest('oda/Afstemning', { ...ndjson, mode: 'step', expand });
    expect(first).toMatchObject({ kind: 'sweep', records: 60 }); // a run without them has left no watermark for it
    const vote = { ...parents[3], kommentar: 'ny', opdateringsdato: '2014-12-01T10:00:00' };
    fleet.twin.put('Afstemning', vote as never);
    fleet.twin.put('Stemme', ballot(450) as never);
    fleet.twin.put('Stemme', ballot(550) as never); // of a vote that has not changed
    const second = await fleet.harvest('oda/Afstemning', { ...ndjson, mode: 'step', expand });
    // Votes 27 and 55 lie in the step's overlap.
    expect(second).toMatchObject({ kind: 'step', state: 'complete', records: 3, updated: 1, deleted: 0 });
    expect(second.related).toEqual([counts('Stemme', 5 + 27 + 5, { inserted: 1, unchanged: 36 })]);
    expect(await table('Stemme')).toEqual(contentOf([...ballots, ballot(450)]));
    // What follows relations has seen what does not: its watermark serves both.
    const plain = await fleet.harvest('oda/Afstemning', { ...ndjson, mode: 'step' });
    expect(plain).toMatchObject({ kind: 'step', records: 1, unchanged: 1 });
    const nothing = await fleet.harvest('oda/Afstemning', { ...ndjson, since: '2030-01-01', mode: 'step', expand });
    expect(nothing).toMatchObject({ state: 'complete', records: 0, related: [counts('Stemme', 0)] });
  });

  it('goes with a filter, a limit, offset and canonical fields, and with selected fields into files only', async () => {
    const { fleet, table } = await setUpRelated();
    const few = await fleet.harvest('oda/Afstemning', {
      ...{ ...ndjson, expand: ['Stemme'], filter: 'id gt 20', maxRecords: 2, strategy: 'offset', shape: 'canonical' },
    });
    expect(few).toMatchObject({ state: 'complete', records: 2, related: [counts('Stemme', 43, { inserted: 43 })] });
    const files = await fleet.harvest('oda/Afstemning', {
      ...{ ...ndjson, expand: ['Stemme'], filter: 'id eq 49', select: ['nummer'], relations: 'nested' },
    });
    expect(files).toMatchObject({ state: 'complete', records: 1, inserted: 0, related: [] });
    const [row] = (await readFile(files.exports[0]?.path ?? '', 'utf8'))
      .split('\n')
      .map((line) => line && JSON.parse(line));
    expect(Object.keys(row)).toEqual(['id', 'nummer', 'opdateringsdato', 'Stemme']);
    expect(row['Stemme']).toEqual(ballots.filter(({ afstemningid }) => afstemningid === 49));
    expect((await table('Stemme')).size).toBe(43);
  });

  it('are refused before anything is asked for where they make no sense', async () => {
    const { fleet } = await setUpRelated();
    const refusals: [Partial<HarvestRequest>, string, string][] = [
      [{ expand: ['Stemmer'] }, 'unknown-relation', 'Did you mean "Stemme"?'],
      [{ expand: ['Stemme/Aktor'] }, 'unknown-relation', 'Did you mean "Aktør"?'],
      [{ expand: ['Stemme/Aktør/Periode'] }, 'expand-too-deep', '2 steps at most'],
      [{ expand: [], relations: 'nested' }, 'bad-relations', '--expand'],
      [{ expand: ['Stemme'], relations: 'nested', shape: 'canonical' }, 'bad-relations', '--relations flat'],
      [{ expand: ['Stemme'], keysOnly: true, formats: [] }, 'bad-keys-only', 'leave --expand out'],
    ];
    for (const [change, code, text] of refusals) {
      const refused = checkRequests(fleet.context, [fleet.request('oda/Afstemning', change)]);
      await expect(refused).rejects.toBeInstanceOf(UsageError);
      await expect(refused).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
    }
  });
});
