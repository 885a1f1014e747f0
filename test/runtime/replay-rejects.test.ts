import { describe, expect, it } from 'vitest';
import { launchRun, pause, resumeRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { findRejects, listRejectsOf } from '../../src/runtime/rejects.ts';
import { replayRejects } from '../../src/runtime/replay-rejects.ts';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { contentOf, tableContent } from '../support/independent.ts';
import { addRejects, refuseAsBefore } from '../support/rejects.ts';
import { range, votes } from '../support/rows.ts';

const schema = [parseEntitySchema('Odd', 'id:l text:s? number:l?')];
const rows = votes(range(1, 30));
const textOf = (id: number, change: Record<string, unknown> = {}) => JSON.stringify({ ...rows[id - 1], ...change });

/** A run of thirty votes that is complete. */
async function setUp(): Promise<{ fleet: Fleet; run: string }> {
  const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: rows, Odd: [] }, { schema }) } });
  return { fleet, run: await harvest(fleet) };
}

async function harvest(fleet: Fleet): Promise<string> {
  return (await fleet.harvest('oda/Afstemning', { formats: [] })).run;
}

async function replay({ context }: Fleet, reference?: string, options: { reason?: string; isDryRun?: boolean } = {}) {
  const { reason = null, isDryRun = false } = options;
  return replayRejects(context, await findRejects(context, reference), { reason, isDryRun });
}

const table = (fleet: Fleet) => tableContent(fleet.context.database.url, 'oda/Afstemning');

async function recordOf(fleet: Fleet, id: number) {
  const found = await fleet.context.database.pool.query(
    `select data::text, hash, source_timestamp::text as timestamp, changed_at from sheaf.records where key = $1`,
    [String(id)],
  );
  return found.rows[0];
}

async function outcomes(fleet: Fleet): Promise<(string | null)[]> {
  const found = await fleet.context.database.pool.query('select outcome from sheaf.rejects order by id');
  return found.rows.map(({ outcome }) => outcome);
}

describe('after a fix, a replay', () => {
  it('takes what can be taken now, the same as a harvest would, and keeps the rejects, marked', async () => {
    const { fleet, run } = await setUp();
    await refuseAsBefore(fleet, run, [textOf(7), textOf(8)]);
    expect((await table(fleet)).size).toBe(28);
    expect(await replay(fleet, run)).toEqual({
      ...{ of: run, dryRun: false, taken: 2, superseded: 0, rejected: 0, skipped: [] },
      runs: [{ run, dataset: 'oda/Afstemning', taken: 2, superseded: 0, rejected: 0 }],
    });
    expect(await table(fleet)).toEqual(contentOf(rows));
    const listed = await listRejectsOf(fleet.context, await findRejects(fleet.context, run), {
      reason: null,
      limit: 9,
    });
    expect(listed.rejects.map(({ key, outcome }) => [key, outcome])).toEqual([
      ['8', 'taken'],
      ['7', 'taken'],
    ]);
    expect(listed.reasons).toEqual([{ reason: 'no-key', rejects: 2, open: 0 }]);
    expect(Date.parse(listed.rejects[0]?.replayedAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
    // Hash and timestamp are those of a harvest, too: the next one finds nothing to do.
    expect(await fleet.harvest('oda/Afstemning', { formats: [] })).toMatchObject({
      inserted: 0,
      updated: 0,
      unchanged: 30,
    });
  });

  it('takes the first records that a dataset ever has', async () => {
    const { fleet } = await setUp();
    const { run } = await fleet.harvest('oda/Odd', { formats: [] });
    await addRejects(fleet, run, ['{"id":5}']);
    expect(await replay(fleet, run, { isDryRun: true })).toMatchObject({ taken: 1 });
    expect(await replay(fleet, run)).toMatchObject({ taken: 1 });
    expect(await tableContent(fleet.context.database.url, 'oda/Odd')).toHaveProperty('size', 1);
  });

  it('has nothing left to do the second time', async () => {
    const { fleet, run } = await setUp();
    await refuseAsBefore(fleet, run, [textOf(7), '{"text":"never a key"}']);
    expect(await replay(fleet)).toMatchObject({ taken: 1, superseded: 0, rejected: 1 });
    const before = await recordOf(fleet, 7);
    expect(await replay(fleet)).toMatchObject({ taken: 0, superseded: 0, rejected: 1 });
    expect(await recordOf(fleet, 7)).toEqual(before);
  });

  it('leaves what still cannot be taken, with the reason of today', async () => {
    const { fleet, run } = await setUp();
    const texts = ['{"id":1.5}', '{"id":99,"kommentar":"\\u0000"}', '[]', 'not JSON', '{"id":null}'];
    await addRejects(fleet, run, [...texts, textOf(3)]);
    expect(await replay(fleet, run)).toMatchObject({ taken: 0, superseded: 1, rejected: 5 });
    const { rows: left } = await fleet.context.database.pool.query(
      `select key, reason, record, outcome from sheaf.rejects where outcome = 'rejected' order by id`,
    );
    expect(left.map(({ key, reason }) => [key, reason])).toEqual([
      [null, 'bad-key'],
      ['99', 'not-storable'],
      [null, 'not-an-object'],
      [null, 'not-json'],
      [null, 'no-key'],
    ]);
    expect(left.map(({ record }) => record)).toEqual(texts);
    expect(await table(fleet)).toEqual(contentOf(rows));
  });

  it('replays only the rejects with the reason that was named', async () => {
    const { fleet, run } = await setUp();
    await refuseAsBefore(fleet, run, [textOf(7), textOf(8)]);
    await fleet.context.database.pool.query(`update sheaf.rejects set reason = 'bad-key' where record like '{"id":8%'`);
    expect(await replay(fleet, run, { reason: 'bad-key' })).toMatchObject({ taken: 1 });
    expect(await outcomes(fleet)).toEqual([null, 'taken']);
    await expect(replay(fleet, run, { reason: 'bad-kye' })).rejects.toThrow(/Did you mean "bad-key"/);
  });

  it('keeps every digit of numbers that no double holds', async () => {
    const fleet = await startFleet({ twin: { dataset: inlineData({ Odd: ['{"id":1}'] }, { schema }) } });
    const { run } = await fleet.harvest('oda/Odd', { formats: [] });
    const text = '{"id":2,"number":123456789012345678901234567890.10,"text":"9007199254740993"}';
    await addRejects(fleet, run, [text, '{"id":"9007199254740993","number":9007199254740993}']);
    expect(await replay(fleet)).toMatchObject({ taken: 2 });
    expect((await recordOf(fleet, 2)).data).toContain('123456789012345678901234567890.10');
    const { rows: big } = await fleet.context.database.pool.query(
      `select key, data ->> 'number' as number from sheaf.records where key = '9007199254740993'`,
    );
    expect(big).toEqual([{ key: '9007199254740993', number: '9007199254740993' }]);
  });

  it('takes each of many rejects once, also when several replay at the same time', async () => {
    const { fleet, run } = await setUp();
    await addRejects(
      fleet,
      run,
      votes(range(1_001, 1_350)).map((row) => JSON.stringify(row)),
    );
    const reports = await Promise.all(range(1, 4).map(() => replay(fleet, run)));
    expect(reports.reduce((sum, { taken }) => sum + taken, 0)).toBe(350);
    expect(reports.reduce((sum, { superseded, rejected }) => sum + superseded + rejected, 0)).toBe(0);
    expect(await table(fleet)).toEqual(contentOf([...rows, ...votes(range(1_001, 1_350))]));
  });

  it('says what would come of it in a dry run, and writes nothing', async () => {
    const { fleet, run } = await setUp();
    await refuseAsBefore(fleet, run, [textOf(7), '{"text":"never a key"}']);
    await addRejects(fleet, run, [textOf(3)]);
    const wanted = { taken: 1, superseded: 1, rejected: 1 };
    expect(await replay(fleet, run, { isDryRun: true })).toMatchObject({ ...wanted, dryRun: true });
    expect((await table(fleet)).size).toBe(29);
    expect(await outcomes(fleet)).toEqual([null, null, null]);
    expect(await replay(fleet, run)).toMatchObject({ ...wanted, dryRun: false });
  });

  it('has nothing to do where nothing was rejected', async () => {
    const { fleet, run } = await setUp();
    const nothing = { taken: 0, superseded: 0, rejected: 0, skipped: [] };
    expect(await replay(fleet)).toEqual({ ...nothing, of: null, dryRun: false, runs: [] });
    expect(await replay(fleet, run)).toMatchObject({ ...nothing, of: run });
    expect(await replay(fleet, 'oda/Afstemning')).toMatchObject({ ...nothing, of: 'oda/Afstemning', runs: [] });
  });
});

describe('a record of which something newer is known', () => {
  const LATER = '2031-01-01T00:00:00';
  /** As if the record had come with an earlier run, before it was rejected. */
  const AGE = `update sheaf.records set changed_at = now() - interval '1 day'`;
  const NOTHING = 'select';
  /** What came between the reject and its replay, and what comes of the reject then. */
  const cases: readonly (readonly [string, string, string, 'taken' | 'superseded'])[] = [
    ['is the same in the table', textOf(7), AGE, 'superseded'],
    [
      'has a newer timestamp in the table',
      textOf(7, { opdateringsdato: '2001-01-01T00:00:00' }),
      'select',
      'superseded',
    ],
    ['has the same timestamp in the table', textOf(7, { nummer: 0 }), AGE, 'superseded'],
    ['has an older timestamp in the table', textOf(7, { opdateringsdato: LATER }), AGE, 'taken'],
    ['was changed since, with whatever timestamp', textOf(7, { opdateringsdato: LATER }), NOTHING, 'superseded'],
    ['was deleted since', textOf(7, { opdateringsdato: LATER }), `${AGE}, deleted_at = now()`, 'superseded'],
    ['was deleted before it was rejected', textOf(7), `${AGE}, deleted_at = now() - interval '1 hour'`, 'taken'],
  ];

  it.each(cases)('is left alone, or not: it %s', async (_, text, between, outcome) => {
    const { fleet, run } = await setUp();
    await addRejects(fleet, run, [text]);
    const before = await recordOf(fleet, 7);
    if (between !== NOTHING) await fleet.context.database.pool.query(`${between} where key = '7'`);
    expect(await replay(fleet, run)).toMatchObject({ taken: 0, superseded: 0, rejected: 0, [outcome]: 1 });
    expect(await outcomes(fleet)).toEqual([outcome]);
    const after = await recordOf(fleet, 7);
    if (outcome === 'superseded') expect(after.data).toBe(before.data);
    else expect(JSON.parse(after.data)).toEqual(JSON.parse(text));
  });

  it('is left alone when it is the same in the table, also where the source gives no timestamps', async () => {
    const fleet = await startFleet({ twin: { dataset: inlineData({ Odd: ['{"id":1}', '{"id":7}'] }, { schema }) } });
    const { run } = await fleet.harvest('oda/Odd', { formats: [] });
    await addRejects(fleet, run, ['{"id":1}', '{"id":7,"number":1}']);
    await fleet.context.database.pool.query(AGE);
    expect(await replay(fleet, run)).toMatchObject({ taken: 1, superseded: 1 });
    expect(await outcomes(fleet)).toEqual(['superseded', 'taken']);
  });

  it('is the newest of several rejects that are replayed together', async () => {
    const { fleet, run } = await setUp();
    const versions = [1, 2].map((nummer) => JSON.stringify({ ...votes([31])[0], nummer }));
    await addRejects(fleet, run, versions);
    expect(await replay(fleet, run)).toMatchObject({ taken: 1, superseded: 1 });
    expect(JSON.parse((await recordOf(fleet, 31)).data)).toMatchObject({ nummer: 2 });
    expect(await outcomes(fleet)).toEqual(['superseded', 'taken']);
  });

  it('is what a merge brings that is under way: the replay waits for it', async () => {
    const { fleet, run } = await setUp();
    await refuseAsBefore(fleet, run, [textOf(7)]);
    const { pool } = fleet.context.database;
    const merge = await pool.connect();
    await merge.query('begin');
    await merge.query(`select pg_advisory_xact_lock(hashtextextended('sheaf merge oda/Afstemning', 0))`);
    await merge.query(
      `insert into sheaf.records (dataset, key, data, hash, first_seen_at, changed_at)
       values ('oda/Afstemning', '7', '{"id": 7, "merged": true}', gen_random_uuid(), now(), now())`,
    );
    const replaying = replay(fleet, run);
    const waiting = () => pool.query(`select from pg_locks where not granted and database is not null`);
    await expect.poll(async () => (await waiting()).rowCount).toBe(1);
    await merge.query('commit');
    merge.release();
    expect(await replaying).toMatchObject({ taken: 0, superseded: 1 });
    expect(JSON.parse((await recordOf(fleet, 7)).data)).toEqual({ id: 7, merged: true });
  });

  it('is left to a complete run that came after the reject: the record came with it, or is gone', async () => {
    const { fleet, run } = await setUp();
    await addRejects(fleet, run, [JSON.stringify(votes([31])[0])]);
    await fleet.harvest('oda/Afstemning', { formats: [], filter: 'typeid eq 1' }); // has not seen everything
    expect(await replay(fleet, run, { isDryRun: true })).toMatchObject({ taken: 1 });
    await harvest(fleet);
    expect(await replay(fleet, run)).toMatchObject({ taken: 0, superseded: 1 });
    expect((await table(fleet)).size).toBe(30);
  });

  it('is the newest of several rejects, in whatever order they are replayed', async () => {
    const versions = [1, 2, 3].map((nummer) => JSON.stringify({ id: 7, number: nummer }));
    for (const order of [
      ['one', 'other'],
      ['other', 'one'],
      ['oda/Odd', 'oda/Odd'],
    ]) {
      const fleet = await startFleet({ twin: { dataset: inlineData({ Odd: ['{"id":1}'] }, { schema }) } });
      const one = (await fleet.harvest('oda/Odd', { formats: [], maxRecords: 1 })).run;
      const other = (await fleet.harvest('oda/Odd', { formats: [], maxRecords: 1 })).run;
      await addRejects(fleet, one, versions.slice(0, 2));
      await addRejects(fleet, other, versions.slice(2));
      for (const name of order) await replay(fleet, name === 'one' ? one : name === 'other' ? other : name);
      expect(JSON.parse((await recordOf(fleet, 7)).data)).toEqual({ id: 7, number: 3 });
      expect(await outcomes(fleet)).not.toContain(null);
    }
  });
});

describe('a run whose rejects cannot be replayed', () => {
  it('is refused with the reason when it was named', async () => {
    const { fleet } = await setUp();
    const selected = await fleet.harvest('oda/Afstemning', { select: ['nummer'], formats: ['ndjson'] });
    await expect(replay(fleet, selected.run)).rejects.toMatchObject({ code: 'cannot-replay', message: /--select/ });

    const paused = await launchRun(fleet.context, fleet.request('oda/Afstemning', { formats: [] }));
    await expect(replay(fleet, paused)).rejects.toMatchObject({ code: 'cannot-replay', message: /is fetching/ });
    await pause(fleet.context, await findRun(fleet.context, paused));
    await expect(replay(fleet, paused)).rejects.toMatchObject({ code: 'cannot-replay', message: /is paused/ });
  });

  it('is refused when it came from another server than the source is set to', async () => {
    const { fleet, run } = await setUp();
    await refuseAsBefore(fleet, run, [textOf(7)]);
    await fleet.context.database.pool.query(`update sheaf.runs set source_url = 'http://elsewhere/'`);
    await expect(replay(fleet, run)).rejects.toMatchObject({ code: 'other-source', message: /http:\/\/elsewhere\// });
    expect((await table(fleet)).size).toBe(29);
  });

  it('is skipped among those of a dataset, and said so', async () => {
    const { fleet, run } = await setUp();
    await refuseAsBefore(fleet, run, [textOf(7)]);
    const selected = await fleet.harvest('oda/Afstemning', { select: ['nummer'], formats: ['ndjson'] });
    await addRejects(fleet, selected.run, [textOf(8, { opdateringsdato: '2031-01-01T00:00:00' })]);
    const report = await replay(fleet, 'oda/Afstemning');
    expect(report).toMatchObject({ taken: 1, superseded: 0, rejected: 0, runs: [{ run }] });
    expect(report.skipped).toEqual([{ run: selected.run, rejects: 1, reason: expect.stringContaining('--select') }]);
    expect(await table(fleet)).toEqual(contentOf(rows));
  });

  it('is left from the moment at which it is set going again', async () => {
    const { fleet } = await setUp();
    fleet.twin.setBehaviour({ countError: 4 });
    const partial = await fleet.harvest('oda/Afstemning', { formats: [] });
    expect(partial.state).toBe('partial');
    await addRejects(
      fleet,
      partial.run,
      votes(range(1_001, 1_250)).map((row) => JSON.stringify(row)),
    );
    const target = await findRejects(fleet.context, partial.run);
    fleet.twin.setBehaviour({ countError: 0 }); // else its slices are fetched once more, and their rejects go
    await resumeRun(fleet.context, await findRun(fleet.context, partial.run));
    await expect(replayRejects(fleet.context, target, { reason: null, isDryRun: false })).rejects.toMatchObject({
      code: 'cannot-replay',
      message: /set going again/,
    });
    expect((await table(fleet)).size).toBe(30);

    await fleet.startWorker();
    await fleet.ended(partial.run);
    expect(await replay(fleet, partial.run)).toMatchObject({ taken: 250 });
  });
});
