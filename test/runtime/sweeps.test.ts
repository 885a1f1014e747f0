import { describe, expect, it } from 'vitest';
import { pauseRun } from '../../src/db/queries/runs.ts';
import { stagingTable } from '../../src/db/queries/staging.ts';
import { cancel, resumeRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import type { Row } from '../support/independent.ts';
import { tableContent } from '../support/independent.ts';
import { expectCopy, Living, launch, SET, setUp, whenStaged } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';

const NAME = `oda/${SET}`;

interface Change {
  readonly key: string;
  readonly kind: string;
  readonly run_id: string;
  readonly fields: string[] | null;
  readonly before: Row | null;
  readonly other_key: string | null;
}

async function changesOf({ context }: Fleet, run: string): Promise<Change[]> {
  const { rows } = await context.database.pool.query<Change>(
    `select key, kind, run_id, fields, before, other_key from sheaf.changes
     where dataset = $1 and run_id = $2 order by kind, length(key), key`,
    [NAME, run],
  );
  return rows;
}

describe('a sweep', () => {
  it('notes every insert, update and delete, and marks what has gone', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 150) });
    const first = await fleet.harvest(NAME, { formats: ['ndjson'] });
    expect(first).toMatchObject({ inserted: 150, updated: 0, deleted: 0 });
    const inserts = await changesOf(fleet, first.run);
    expect(inserts).toHaveLength(150);
    expect(inserts.every(({ kind, before, fields }) => kind === 'insert' && before === null && fields === null)).toBe(
      true,
    );

    const [old] = votes([7]);
    source.remove(3, 150); // the highest key, too
    source.put(200);
    const edited = { ...votes([7])[0], konklusion: 'Forkastet', kommentar: null };
    fleet.twin.put(SET, edited as never); // the timestamp stays as it was
    source.rows.set(7, edited as never);
    const second = await fleet.harvest(NAME, { formats: ['ndjson'] });
    expect(second).toMatchObject({ inserted: 1, updated: 1, unchanged: 147, deleted: 2, rekeyed: 0 });
    await expectCopy(fleet, second, source.content());
    const changes = await changesOf(fleet, second.run);
    expect(changes.map(({ kind, key, fields }) => [kind, key, fields])).toEqual([
      ['delete', '3', null],
      ['delete', '150', null],
      ['insert', '200', null],
      ['update', '7', ['konklusion']],
    ]);
    expect(changes[3]?.before).toEqual(old);
    expect(changes[0]?.before).toEqual(votes([3])[0]);
    const { rows } = await fleet.context.database.pool.query(
      `select key, deleted_at is not null as gone, data is not null as kept from sheaf.records where key in ('3', '150') order by length(key)`,
    );
    expect(rows).toEqual([
      { key: '3', gone: true, kept: true },
      { key: '150', gone: true, kept: true },
    ]);
  });

  it('brings back a record that came back, and changes nothing when nothing has changed', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 50) });
    await fleet.harvest(NAME);
    source.remove(9);
    expect(await fleet.harvest(NAME)).toMatchObject({ deleted: 1 });
    source.put(9);
    const back = await fleet.harvest(NAME, { formats: ['ndjson'] });
    expect(back).toMatchObject({ inserted: 1, deleted: 0, unchanged: 49 });
    await expectCopy(fleet, back, source.content());
    const again = await fleet.harvest(NAME);
    expect(again).toMatchObject({ inserted: 0, updated: 0, deleted: 0, unchanged: 50 });
    expect(await changesOf(fleet, again.run)).toEqual([]);
  });

  it('tells records that came back under another key from news', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 50) });
    await fleet.harvest(NAME);
    for (const [from, to] of [
      [4, 61],
      [5, 62],
    ] as const) {
      const row = { ...source.rows.get(from), id: to, opdateringsdato: '2024-01-01T00:00:00' };
      source.remove(from);
      fleet.twin.put(SET, row as never);
      source.rows.set(to, row);
    }
    source.put(63);
    source.remove(6);
    const report = await fleet.harvest(NAME, { formats: ['ndjson'] });
    expect(report).toMatchObject({ inserted: 1, deleted: 1, rekeyed: 2, unchanged: 47 });
    await expectCopy(fleet, report, source.content());
    const changes = await changesOf(fleet, report.run);
    expect(changes.map(({ kind, key, other_key }) => [kind, key, other_key])).toEqual([
      ['delete', '4', '61'],
      ['delete', '5', '62'],
      ['delete', '6', null],
      ['insert', '61', '4'],
      ['insert', '62', '5'],
      ['insert', '63', null],
    ]);
  });

  it('that would delete more than its share deletes nothing, is partial, and says why; told to, it does', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 20) });
    await fleet.harvest(NAME);
    source.remove(1, 2, 3, 4, 5);
    source.put(30);
    const report = await fleet.harvest(NAME, { formats: ['ndjson'] });
    expect(report).toMatchObject({ state: 'partial', inserted: 1, deleted: 0 });
    expect(report.reason).toMatch(/^5 of 20 records \(25 %\) were not seen, more than the 20 %/);
    expect(await tableContent(fleet.context.database.url, NAME)).toHaveProperty('size', 21);
    const told = await fleet.harvest(NAME, { formats: ['ndjson'], maxDeletes: 0.25 });
    expect(told).toMatchObject({ deleted: 5 });
    await expectCopy(fleet, told, source.content());
  });
});

describe('a run that deletes nothing', () => {
  it.each([
    ['one over a part, by a filter', { filter: 'id le 10' }],
    ['one over a part, by a number', { maxRecords: 10 }],
    ['one that takes some fields only', { select: ['id'] }],
  ])('is %s', async (_, part) => {
    const { fleet, source } = await setUp({ ids: range(1, 20) });
    await fleet.harvest(NAME);
    source.remove(1);
    expect(await fleet.harvest(NAME, part)).toMatchObject({ state: 'complete', deleted: 0 });
    expect(await tableContent(fleet.context.database.url, NAME)).toHaveProperty('size', 20);
  });

  it('is one that could not be proved complete', async () => {
    const fleet = await startFleet({ twin: { dataset: inlineData({ [SET]: votes(range(1, 150)) }) } });
    await fleet.harvest(NAME);
    const source = new Living(fleet, range(1, 150));
    source.remove(3);
    fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'wrong-count', by: 5 } }] });
    expect(await fleet.harvest(NAME)).toMatchObject({ state: 'partial', deleted: 0 });
    expect(await tableContent(fleet.context.database.url, NAME)).toHaveProperty('size', 150);
  });

  it('leaves alone what another run has written since it was planned', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 20) });
    await fleet.harvest(NAME);
    const { launchRun } = await import('../../src/runtime/harvest.ts');
    const slow = await launchRun(fleet.context, fleet.request(NAME));
    await fleet.context.database.pool.query(
      `insert into sheaf.records (dataset, key, data, hash, first_seen_at, changed_at)
       values ($1, '15.5', '{"id": 15.5}', gen_random_uuid(), clock_timestamp(), clock_timestamp())`,
      [NAME],
    );
    source.remove(2);
    await fleet.startWorker();
    expect(await fleet.ended(slow)).toMatchObject({ deleted: 1 });
    expect((await tableContent(fleet.context.database.url, NAME)).has('15.5')).toBe(true);
  });
});

describe('an older run that is merged after a younger one', () => {
  it('neither takes back what the younger one wrote nor brings back what it deleted', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 600).filter((id) => id !== 50) });
    await fleet.harvest(NAME, { formats: [] });
    const { database } = fleet.context;
    const older = await launch(fleet, { formats: [] });
    const paused = Promise.withResolvers<void>();
    whenStaged(fleet, 2, () => void pauseRun(database, older).then(() => paused.resolve()));
    const worker = await fleet.startWorker(1);
    await paused.promise;
    await worker.stop();
    const staged = await database.pool.query<{ key: string }>(
      `select key from ${stagingTable(older)} order by length(key), key`,
    );
    const [edited, removed] = staged.rows.map(({ key }) => Number(key));
    if (edited === undefined || removed === undefined) throw new Error('nothing was staged');
    const row = { ...votes([edited])[0], nummer: 0 }; // the timestamp stays as it was
    fleet.twin.put(SET, row as never);
    source.rows.set(edited, row);
    source.remove(removed);
    source.put(50); // as many as before, in every range that was read: counts tell nothing
    expect(await fleet.harvest(NAME, { formats: [] })).toMatchObject({ inserted: 1, updated: 1, deleted: 1 });
    await resumeRun(fleet.context, await findRun(fleet.context, older));
    await fleet.startWorker();
    expect(await fleet.ended(older)).toMatchObject({ updated: 0, deleted: 0 });
    const table = await tableContent(database.url, NAME);
    expect(table).toEqual(source.content());
  });

  it('takes what the source says is newer, and what its own first generation wrote', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 50) });
    await fleet.harvest(NAME, { formats: [] });
    const older = await launch(fleet, { formats: [] });
    const { pool } = fleet.context.database;
    await pool.query(
      `update sheaf.records set changed_at = clock_timestamp(), data = '{"id": 5}' where key in ('5', '6')`,
    );
    await pool.query(
      `update sheaf.records set hash = gen_random_uuid(), source_timestamp = '2000-01-01' where key = '5'`,
    );
    await fleet.startWorker();
    expect(await fleet.ended(older)).toMatchObject({ state: 'complete', updated: 1 });
    const table = await tableContent(fleet.context.database.url, NAME);
    expect(table.get('5')).toBe(source.content().get('5'));
  });
});

describe('a run that waits for its merge', () => {
  it('can be cancelled, and nothing of it is to be seen', async () => {
    const { fleet } = await setUp({ ids: range(1, 50) });
    const { pool } = fleet.context.database;
    const run = await launch(fleet, { formats: ['ndjson'] });
    const holding = await pool.connect();
    await holding.query('begin');
    await holding.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`sheaf merge ${NAME}`]);
    await fleet.startWorker();
    const isMerging = () =>
      pool.query(
        `select from pg_locks l join pg_database d on d.oid = l.database
         where d.datname = current_database() and l.locktype = 'advisory' and not l.granted
           and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended($1, 0)`,
        [`sheaf merge ${NAME}`],
      );
    await expect.poll(async () => (await isMerging()).rowCount, { timeout: 20_000 }).toBe(1);
    const asked = await findRun(fleet.context, run);
    await cancel(fleet.context, asked);
    await holding.query('rollback');
    holding.release();
    expect(await fleet.ended(run)).toMatchObject({ state: 'cancelled', inserted: 0, exports: [] });
    await expect.poll(async () => (await isMerging()).rowCount).toBe(0);
    expect((await pool.query('select from sheaf.records')).rowCount).toBe(0);
    await expect(cancel(fleet.context, asked)).rejects.toThrow(/has ended already: it is cancelled/);
  });
});

describe('the copy as it was', () => {
  it('is told for any moment since changes were kept', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 30) });
    const { pool } = fleet.context.database;
    const asOf = async (moment: string) => {
      const { rows } = await pool.query<{ key: string; data: Row }>('select * from sheaf.records_as_of($1, $2)', [
        NAME,
        moment,
      ]);
      return new Map(rows.map(({ key, data }) => [key, data]));
    };
    const now = async () =>
      (await pool.query<{ now: string }>('select clock_timestamp()::text as now')).rows[0]?.now ?? '';
    const empty = await now();
    await fleet.harvest(NAME);
    const one = { at: await now(), rows: new Map(source.rows) };
    source.remove(5);
    source.put(31);
    fleet.twin.put(SET, { ...votes([8])[0], nummer: 1 } as never);
    source.rows.set(8, { ...votes([8])[0], nummer: 1 });
    await fleet.harvest(NAME);
    const two = { at: await now(), rows: new Map(source.rows) };
    source.put(5, 8);
    source.remove(31);
    await fleet.harvest(NAME);
    const three = { at: await now(), rows: new Map(source.rows) };
    expect((await asOf(empty)).size).toBe(0);
    for (const { at, rows } of [one, two, three]) {
      expect(await asOf(at)).toEqual(new Map([...rows].map(([id, row]) => [String(id), row])));
    }
    await expect(asOf('2020-01-01')).rejects.toThrow(/changes before .* are not known/);
  });
});
