import { describe, expect, it, onTestFinished } from 'vitest';
import { type Database, openDatabase } from '../../src/db/database.ts';
import { beginFinalising, claimFinalise, endRun, getRun, resolveRun, sealRun } from '../../src/db/queries/runs.ts';
import { claimSlice, findPoison, releaseDeadSlices, releaseSlice, sliceTotals } from '../../src/db/queries/slices.ts';
import { stagedBySlice } from '../../src/db/queries/staging.ts';
import { beat, buryWorkers, registerWorker } from '../../src/db/queries/workers.ts';
import { openWorkerSession } from '../../src/db/worker-session.ts';

import { claimed, deadWorker, livingWorker, page, record, setUpRun, stage } from './setup.ts';

describe('the fence', () => {
  it('takes a page from the claim that holds, with its cursor and counts, in one transaction', async () => {
    const { database, run } = await setUpRun();
    const claim = await claimed(database, run, 1, await livingWorker(database));
    expect(await stage(database, claim, page([1, 2, 3]))).toMatchObject({ kind: 'staged' });
    expect(await sliceTotals(database, run)).toMatchObject({ pages: 1, records: 3, requests: 1, retries: 0, open: 2 });
    expect(await stagedBySlice(database, run)).toEqual(new Map([[1, 3]]));
  });

  it('counts as many pages as are staged at once, and one where a worker of the version before says nothing of them', async () => {
    const { database, run } = await setUpRun();
    const claim = await claimed(database, run, 1, await livingWorker(database));
    await stage(database, claim, page([1, 2], { pages: 3, requests: 4 }));
    expect(await sliceTotals(database, run)).toMatchObject({ pages: 3, records: 2, requests: 4, retries: 1 });
    const numbers = [claim.slice, claim.attempt, 5, 2, 0, 1, 1, 10];
    await database.pool.query(`call sheaf.advance_slice('${run}', ${numbers.join()}, false, false)`);
    expect(await sliceTotals(database, run)).toMatchObject({ pages: 4, records: 4, requests: 5, retries: 1 });
  });

  it('takes nothing from a claim that another has followed', async () => {
    const { database, run } = await setUpRun();
    const worker = await livingWorker(database);
    const first = await claimed(database, run, 1, worker);
    await releaseSlice(database, first);
    const second = await claimSlice(database, { run, slice: 1, attempt: first.attempt }, worker);
    expect(second?.attempt).toBe(first.attempt + 1);
    expect(await stage(database, first, page([1, 2]))).toEqual({ kind: 'fenced' });
    expect(await stagedBySlice(database, run)).toEqual(new Map());
    expect(await releaseSlice(database, first)).toBe(false);
  });

  it('takes nothing for a run that has ended, and lets the slice be given back', async () => {
    const { database, run } = await setUpRun();
    const claim = await claimed(database, run, 1, await livingWorker(database));
    await endRun(database, run, { state: 'failed', reason: 'told to' });
    expect(await stage(database, claim, page([1]))).toEqual({ kind: 'fenced' });
    expect(await releaseSlice(database, claim)).toBe(true);
  });

  it('writes neither rows nor cursor when the page cannot be stored', async () => {
    const { database, run } = await setUpRun();
    const claim = await claimed(database, run, 1, await livingWorker(database));
    const broken = { ...record(2), hash: 'not a hash' };
    await expect(stage(database, claim, { ...page([1, 2]), records: [record(1), broken] })).rejects.toThrow();
    expect(await stagedBySlice(database, run)).toEqual(new Map());
    expect(await sliceTotals(database, run)).toMatchObject({ pages: 0, records: 0 });
    expect(await stage(database, claim, page([1]))).toMatchObject({ kind: 'staged' });
  });
});

describe('a claim', () => {
  it('is had by one of many that ask at once', async () => {
    const { database, run } = await setUpRun();
    const worker = await livingWorker(database);
    const claims = await Promise.all(
      Array.from({ length: 12 }, () => claimSlice(database, { run, slice: 1, attempt: 0 }, worker)),
    );
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
  });

  it('is had once a worker that has died is released from it, and not before', async () => {
    const { database, run } = await setUpRun();
    await claimed(database, run, 1, await livingWorker(database));
    await claimed(database, run, 2, await deadWorker(database));
    const other = await livingWorker(database);
    const claims = () =>
      Promise.all([1, 2].map((slice) => claimSlice(database, { run, slice, attempt: slice === 2 ? 1 : 0 }, other)));
    expect(await claims()).toEqual([undefined, undefined]);
    expect(await releaseDeadSlices(database)).toEqual([{ run, count: 1 }]);
    expect(await claims()).toMatchObject([undefined, { slice: 2, attempt: 2, deaths: 1 }]);
  });

  it('is refused when three workers have died with the slice, unless one of them turns out to be alive', async () => {
    const { database, run } = await setUpRun();
    const dead = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      const worker = await deadWorker(database);
      dead.push(worker);
      await claimed(database, run, 1, worker, attempt);
      await releaseDeadSlices(database);
    }
    const other = await livingWorker(database);
    expect(await claimSlice(database, { run, slice: 1, attempt: 3 }, other)).toBeUndefined();
    expect(await findPoison(database)).toEqual([]); // the last may only be cut off
    await beat(database, dead[2] ?? 0);
    expect(await claimSlice(database, { run, slice: 1, attempt: 3 }, other)).toMatchObject({ deaths: 2 });
  });

  it('finds a slice poison when its workers stay silent, and forgets deaths once it gets on', async () => {
    const { database, run } = await setUpRun();
    for (let attempt = 0; attempt < 3; attempt++) {
      await claimed(database, run, 1, await deadWorker(database), attempt);
      await releaseDeadSlices(database);
    }
    await database.pool.query(`update sheaf.workers set heartbeat_at = heartbeat_at - interval '16 seconds'`);
    await database.pool.query(`update sheaf.slice_deaths set found_at = found_at - interval '16 seconds'`);
    expect(await findPoison(database)).toMatchObject([{ run, slice: 1, attempt: 3, deaths: 3, cursor: null }]);
    await database.pool.query('update sheaf.slices set staged_at = now()');
    expect(await findPoison(database)).toEqual([]);
  });
});

describe('the chord', () => {
  const settle = async (database: Database, run: string, slice: number, ids: readonly number[]) => {
    const claim = await claimed(database, run, slice, await livingWorker(database));
    await stage(database, claim, page(ids, { isLast: true, cursor: slice * 100 }));
  };

  it('begins once, when the last slice has settled, however many ask', async () => {
    const { database, run } = await setUpRun();
    await settle(database, run, 1, [1, 2]);
    expect(await beginFinalising(database, run)).toBeUndefined();
    await settle(database, run, 2, [101, 102]);
    const begun = await Promise.all(Array.from({ length: 12 }, () => beginFinalising(database, run)));
    expect(begun.filter((each) => each !== undefined)).toEqual([{ generation: 1, attempt: 0 }]);
  });

  it('does not begin before the plan is sealed, even when every slice written so far has settled', async () => {
    const { database, run } = await setUpRun({ isSealed: false });
    await database.pool.query(`update sheaf.slices set state = 'done' where run_id = $1`, [run]);
    expect(await beginFinalising(database, run)).toBeUndefined();
    await sealRun(database, run);
    expect(await beginFinalising(database, run)).toBeDefined();
  });

  it('is carried out by one living finaliser at a time', async () => {
    const { database, run } = await setUpRun();
    await settle(database, run, 1, [1]);
    await settle(database, run, 2, [101]);
    await beginFinalising(database, run);
    const job = { run, generation: 1 };
    const living = await livingWorker(database);
    const [one, other] = await Promise.all([
      claimFinalise(database, job, living),
      claimFinalise(database, job, living),
    ]);
    expect([one, other].filter((claim) => claim !== undefined)).toHaveLength(1);
    await database.pool.query('update sheaf.runs set finaliser = $2 where id = $1', [run, await deadWorker(database)]);
    expect(await claimFinalise(database, job, living)).toMatchObject({ attempt: 2 });
    expect(await claimFinalise(database, { run, generation: 2 }, living)).toBeUndefined();
  });
});

describe('a worker that is frozen', () => {
  it('is given up after a minute: its locks are gone, and its slices go back', async () => {
    const { database, run } = await setUpRun();
    const frozen = openDatabase({ url: database.url, session: 'frozen', connections: 3 });
    onTestFinished(() => frozen.close());
    const facts = { host: 'here', pid: 1, session: 'frozen', version: '0', concurrency: 1 };
    const worker = await registerWorker(database, facts);
    const session = await openWorkerSession(frozen, worker);
    onTestFinished(() => session.close());
    await claimed(database, run, 1, worker);
    const client = await frozen.pool.connect(); // frozen inside a page's transaction
    await client.query('begin');
    await client.query('update sheaf.slices set pages = 1 where run_id = $1', [run]);
    expect(await releaseDeadSlices(database)).toEqual([]);

    await database.pool.query(`update sheaf.workers set heartbeat_at = now() - interval '61 seconds' where id = $1`, [
      worker,
    ]);
    expect(await releaseDeadSlices(database)).toEqual([]); // locked still, and not waited for
    await buryWorkers(database);
    await expect.poll(() => releaseDeadSlices(database)).toEqual([{ run, count: 1 }]);
    client.release(true);
  });
});

describe('a split', () => {
  it('ends the slice at its cursor and leaves the rest to new slices, without a gap', async () => {
    const { database, run } = await setUpRun();
    const claim = await claimed(database, run, 1, await livingWorker(database));
    const give = [
      { after: 40, upto: 70 },
      { after: 70, upto: 100 },
    ];
    const result = await stage(database, claim, page([40], { isLast: true, give }));
    expect(result).toMatchObject({ kind: 'staged', given: [3, 4] });
    const { rows } = await database.pool.query(
      'select number, state, span from sheaf.slices where run_id = $1 order by number',
      [run],
    );
    expect(rows).toEqual([
      { number: 1, state: 'done', span: { after: 0, upto: 40 } },
      { number: 2, state: 'pending', span: { after: 100, upto: 200 } },
      { number: 3, state: 'pending', span: { after: 40, upto: 70 } },
      { number: 4, state: 'pending', span: { after: 70, upto: 100 } },
    ]);
    expect((await getRun(database, run)).sliceCount).toBe(4);
  });
});

describe('a reference to a run', () => {
  it('is its id, the end of it, or latest', async () => {
    const { database, run } = await setUpRun();
    for (const reference of [run, 'aaaa', 'latest']) expect((await resolveRun(database, reference)).id).toBe(run);
  });

  it('that fits none, or several, is refused with what to do', async () => {
    const { database } = await setUpRun();
    await expect(resolveRun(database, 'zzzz')).rejects.toThrow(/no run "zzzz".*sheaf runs/);
    await database.pool.query(`insert into sheaf.runs (id, dataset, request, entity, source_url, strategy, span, page_size)
      select '20270101-000000-aaaa', dataset, request, entity, source_url, strategy, span, page_size from sheaf.runs`);
    await expect(resolveRun(database, 'aaaa')).rejects.toThrow(/fits several runs/);
  });
});
