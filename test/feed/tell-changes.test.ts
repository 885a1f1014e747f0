import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { readFleet } from '../../src/db/queries/fleet.ts';
import { pauseSubscription, replaySubscription, resumeSubscription } from '../../src/db/queries/subscriptions.ts';
import type { Row } from '../support/independent.ts';
import { SET, setUp } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';
import {
  addDataset,
  becomeDue,
  delivered,
  failed,
  many,
  merge,
  openFeeder,
  openLedger,
  progressOf,
  reportOf,
  subscribe,
  type Told,
  toldIn,
} from './setup.ts';

const NAME = `oda/${SET}`;
const SAG = 'oda/Sag';

/** What a subscriber's copy holds after it has carried out what it was told. */
function applied(changes: readonly Told[]): Map<number, Row> {
  const copy = new Map<number, Row>();
  for (const { kind, key, data, before } of changes) {
    const known = copy.get(Number(key));
    expect(before, `what ${key} was`).toEqual(kind === 'insert' ? null : known);
    if (kind === 'delete') copy.delete(Number(key));
    else copy.set(Number(key), data as Row);
  }
  return copy;
}

describe('the change feed', () => {
  it('tells every change in order, with the record as that change left it, whatever has been merged since', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 600) });
    const copies: Map<number, Row>[] = [];
    const runs: string[] = [];
    const harvest = async (): Promise<void> => {
      runs.push((await fleet.harvest(NAME, { formats: [] })).run);
      copies.push(new Map(source.rows));
    };
    const edit = (id: number, konklusion: string) => {
      const row = { ...votes([id])[0], konklusion } as Row;
      fleet.twin.put(SET, row as never);
      source.rows.set(id, row);
    };
    await harvest();
    edit(7, 'second');
    edit(500, 'second');
    source.remove(9);
    await harvest();
    edit(7, 'third');
    source.put(9, 2_000);
    await harvest();
    edit(7, 'fourth');
    source.remove(2_000);
    await harvest();

    await subscribe(fleet.context, 'index');
    const { feeder, messages, errors } = await openFeeder(fleet.context);
    await feeder.tend();
    expect(errors).toEqual([]);
    expect(messages.map(({ run, changes, isLast }) => [runs.indexOf(run), changes.length, isLast])).toEqual([
      [0, 500, false],
      [0, 100, true],
      [1, 3, true],
      [2, 3, true],
      [3, 2, true],
    ]);
    for (const [number, run] of runs.entries()) {
      const upTo = messages.filter((message) => runs.indexOf(message.run) <= runs.indexOf(run));
      expect(applied(toldIn(upTo))).toEqual(copies[number]);
    }
    const order = toldIn(messages).map(({ at, key }) => `${at} ${key}`);
    expect(order).toEqual(order.toSorted());
    expect(new Set(order).size).toBe(order.length);
    await feeder.tend();
    expect(messages).toHaveLength(5);
  });

  it('sends again what was not acknowledged, the same to the byte, whatever has been merged meanwhile', async () => {
    const ledger = await openLedger(SAG);
    await merge(ledger, SAG, { 1: { id: 1, titel: 'first' }, 2: { id: 2 } });
    await subscribe(ledger, 'index');
    const { feeder, messages } = await openFeeder(ledger, (_, count) => (count === 1 ? failed : delivered));
    const failures: unknown[] = [];
    ledger.telemetry.on('feed.failed', (event) => failures.push(event));
    await feeder.tend();
    expect(failures).toEqual([
      {
        ...{ subscription: 'index', dataset: SAG, id: messages[0]?.id, changes: 2, durationMs: expect.any(Number) },
        ...{ failures: 1, detail: 'not now', againInMs: 5_000 },
      },
    ]);
    expect(await reportOf(ledger, 'index')).toMatchObject({ state: 'failing', behind: 2 });
    const { feeds } = await readFleet(ledger.database, { openRuns: 1, timeoutMs: 10_000 });
    expect(feeds).toEqual([{ subscription: 'index', state: 'failing', failures: 1, lagSeconds: expect.any(Number) }]);
    expect(feeds[0]?.lagSeconds).toBeGreaterThan(0);
    await feeder.tend();
    expect(messages).toHaveLength(1); // it is not due yet
    await merge(ledger, SAG, { 1: { id: 1, titel: 'second' }, 3: { id: 3 } });
    await becomeDue(ledger);
    await feeder.tend();
    expect(messages[1]).toEqual(messages[0]);
    expect(toldIn(messages.slice(2)).map(({ key }) => key)).toEqual(['1', '3']);
    expect(await reportOf(ledger, 'index')).toMatchObject({ state: 'active', behind: 0, ageMs: 0 });
    expect((await progressOf(ledger, 'index', SAG)).error).toBeNull();
  });

  it('is told by one of several workers at a time, and one that was thought dead moves nothing back', async () => {
    const ledger = await openLedger(SAG);
    await merge(ledger, SAG, many(600));
    await subscribe(ledger, 'index');
    const { promise: thaw, resolve } = Promise.withResolvers<void>();
    const { promise: sent, resolve: isSent } = Promise.withResolvers<void>();
    const frozen = await openFeeder(ledger, async () => {
      isSent();
      await thaw;
      return delivered;
    });
    const other = await openFeeder(ledger);
    const freezing = frozen.feeder.tend();
    await sent;
    await other.feeder.tend();
    expect(other.messages).toEqual([]); // somebody living is at it
    await ledger.database.pool.query(`update sheaf.feed_positions set claimed_until = now() - interval '1 s'`);
    await other.feeder.tend();
    expect(other.messages.map(({ changes }) => changes.length)).toEqual([500, 100]);
    expect(frozen.messages[0]?.id).toBe(other.messages[0]?.id);
    const { rows: before } = await ledger.database.pool.query(
      'select at, key, claim, worker_id from sheaf.feed_positions',
    );
    resolve();
    await freezing;
    const { rows: after } = await ledger.database.pool.query(
      'select at, key, claim, worker_id from sheaf.feed_positions',
    );
    expect(after).toEqual(before);
    expect(frozen.messages).toHaveLength(1);
  });

  it('goes on at once where the database was away before what was sent could be noted', async () => {
    const ledger = await openLedger(SAG);
    await merge(ledger, SAG, many(2));
    await subscribe(ledger, 'index');
    const { pool } = ledger.database;
    const { feeder, messages, errors } = await openFeeder(ledger, async (_, count) => {
      if (count === 1) await pool.query('alter table sheaf.feed_positions rename to away');
      return delivered;
    });
    await feeder.tend();
    await pool.query('alter table sheaf.away rename to feed_positions');
    expect(errors).toHaveLength(1);
    await feeder.tend();
    expect(messages.map(({ id }) => id)).toEqual([messages[0]?.id, messages[0]?.id]);
    expect(await reportOf(ledger, 'index')).toMatchObject({ state: 'active', behind: 0 });
  });

  it('shares the datasets among workers, each change told once', async () => {
    const datasets = ['oda/A', 'oda/B', 'oda/C', 'oda/D'];
    const ledger = await openLedger(...datasets);
    for (const dataset of datasets) await merge(ledger, dataset, many(700));
    await subscribe(ledger, 'index');
    const feeders = await Promise.all([openFeeder(ledger), openFeeder(ledger), openFeeder(ledger)]);
    await Promise.all(feeders.map(({ feeder }) => feeder.tend()));
    const told = toldIn(feeders.flatMap(({ messages }) => messages));
    expect(told).toHaveLength(2_800);
    expect(new Set(told.map(({ dataset, key }) => `${dataset} ${key}`)).size).toBe(2_800);
  });

  it('does not let a subscriber that is slow or away hold up another', async () => {
    const ledger = await openLedger(SAG);
    await merge(ledger, SAG, many(3));
    for (const name of ['away', 'quick', 'slow']) await subscribe(ledger, name);
    const { promise: end, resolve } = Promise.withResolvers<void>();
    const { promise: taken, resolve: isTaken } = Promise.withResolvers<void>();
    const { feeder, messages } = await openFeeder(ledger, async ({ subscription }) => {
      if (subscription === 'slow') await end;
      if (messages.filter((each) => each.subscription === 'quick').length === 2) isTaken();
      return subscription === 'away' ? failed : delivered;
    });
    const tending = feeder.tend();
    await expect.poll(() => progressOf(ledger, 'quick', SAG)).toMatchObject({ behind: 0 });
    await merge(ledger, SAG, many(5));
    const again = feeder.tend(); // while one is still at it
    await taken;
    resolve();
    await Promise.all([tending, again]);
    expect((await reportOf(ledger, 'away')).state).toBe('failing');
  });

  it('waits longer with each failure, five minutes at most, and never gives up', async () => {
    const ledger = await openLedger(SAG);
    await merge(ledger, SAG, many(600));
    await subscribe(ledger, 'index');
    let answer: (key: string) => boolean = () => false;
    const { feeder } = await openFeeder(ledger, ({ from }) => (answer(from.key ?? '') ? delivered : failed));
    const pauses: number[] = [];
    ledger.telemetry.on('feed.failed', ({ againInMs }) => pauses.push(againInMs / 1_000));
    for (let tries = 0; tries < 13; tries++) {
      await becomeDue(ledger);
      await feeder.tend();
    }
    expect(pauses).toEqual([5, 30, 120, ...Array(10).fill(300)]);
    answer = (key) => key === ''; // it takes one batch
    await feeder.tend();
    expect(await progressOf(ledger, 'index', SAG)).toMatchObject({ behind: 600, failures: 13, error: 'not now' });
    await becomeDue(ledger);
    await feeder.tend();
    expect(pauses.at(-1)).toBe(5);
    expect(await progressOf(ledger, 'index', SAG)).toMatchObject({ behind: 100, failures: 1 });
    answer = () => true;
    await resumeSubscription(ledger.database, 1); // whoever has put the receiver right need not wait
    await feeder.tend();
    expect(await progressOf(ledger, 'index', SAG)).toMatchObject({ behind: 0, failures: 0, error: null });
  });

  it('tells nothing while it is paused and everything afterwards; 410 pauses it with the reason', async () => {
    const ledger = await openLedger(SAG);
    await merge(ledger, SAG, many(1_200));
    await subscribe(ledger, 'index');
    const { feeder, messages } = await openFeeder(ledger, async (_, count) => {
      if (count === 1) await pauseSubscription(ledger.database, 1, null); // while a batch is on its way
      return count === 3 ? { kind: 'refused', detail: 'HTTP 410' } : delivered;
    });
    await feeder.tend();
    await feeder.tend();
    expect(messages).toHaveLength(1);
    expect(await reportOf(ledger, 'index')).toMatchObject({ state: 'paused', reason: null, behind: 700 });
    expect(await resumeSubscription(ledger.database, 1)).toBe(true);
    const paused: unknown[] = [];
    ledger.telemetry.on('feed.paused', (event) => paused.push(event));
    await feeder.tend();
    const reason = 'the receiver says that it is gone: HTTP 410';
    expect(paused).toEqual([{ subscription: 'index', reason }]);
    expect(await reportOf(ledger, 'index')).toMatchObject({ state: 'paused', reason, behind: 200 });
    await resumeSubscription(ledger.database, 1);
    await feeder.tend();
    expect(new Set(toldIn(messages).map(({ key }) => key)).size).toBe(1_200);
    expect(messages).toHaveLength(4);
  });

  it('breaks off within seconds when its process ends, and hands over without a failure', async () => {
    const ledger = await openLedger(SAG);
    await merge(ledger, SAG, many(1));
    await subscribe(ledger, 'index');
    const { promise: sent, resolve: isSent } = Promise.withResolvers<void>();
    const { feeder, errors } = await openFeeder(ledger, async (_, __, stop) => {
      isSent();
      await once(stop, 'abort');
      return failed;
    });
    const tending = feeder.tend();
    await sent;
    await feeder.stop();
    await tending;
    expect(errors).toEqual([]);
    expect(await progressOf(ledger, 'index', SAG)).toMatchObject({ behind: 1, failures: 0 });
    const next = await openFeeder(ledger);
    await next.feeder.tend();
    expect(next.messages).toHaveLength(1);
    await feeder.tend();
    await feeder.stop();
  });

  it('begins where it is told to, and a replay has other ids', async () => {
    const ledger = await openLedger(SAG);
    await merge(ledger, SAG, { 1: { id: 1 } });
    await merge(ledger, SAG, { 2: { id: 2 } });
    const { rows } = await ledger.database.pool.query<{ at: Date }>(`select at from sheaf.changes where key = '2'`);
    await subscribe(ledger, 'from-start');
    await subscribe(ledger, 'from-moment', { from: rows[0]?.at ?? new Date() });
    await subscribe(ledger, 'from-now', { from: 'now' });
    await subscribe(ledger, 'only-sag', { from: 'now', datasets: [SAG] });
    await merge(ledger, SAG, { 3: { id: 3 } });
    await addDataset(ledger.database, 'oda/Ny');
    await merge(ledger, 'oda/Ny', { 4: { id: 4 } });
    const { feeder, messages } = await openFeeder(ledger);
    await feeder.tend();
    const keysOf = (name: string) =>
      toldIn(messages.filter(({ subscription }) => subscription === name)).map(({ key }) => key);
    expect(keysOf('from-start').toSorted()).toEqual(['1', '2', '3', '4']);
    expect(keysOf('from-moment').toSorted()).toEqual(['2', '3', '4']);
    expect(keysOf('from-now').toSorted()).toEqual(['3', '4']);
    expect(keysOf('only-sag')).toEqual(['3']);

    const before = messages.length;
    expect(await replaySubscription(ledger.database, 4, { from: 'start', datasets: null })).toEqual([SAG]);
    await feeder.tend();
    expect(toldIn(messages.slice(before)).map(({ key }) => key)).toEqual(['1', '2', '3']);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
  });

  it('leaves out what is too large for a message, and says so', async () => {
    const ledger = await openLedger(SAG);
    const text = (length: number) =>
      Array.from({ length }, (_, number) => String.fromCodePoint(0x100 + (number % 999))).join('');
    await merge(ledger, SAG, { 1: { id: 1, text: text(150_000) }, 2: { id: 2, text: text(150_000) } });
    await merge(ledger, SAG, { 1: { id: 1, text: text(120_000) }, 2: { id: 2, text: text(250_000) } });
    await subscribe(ledger, 'index');
    const { feeder, messages } = await openFeeder(ledger);
    await feeder.tend();
    expect(messages.map(({ changes }) => changes.length)).toEqual([1, 1, 2]); // by bytes, too
    const told = toldIn(messages).map(({ key, kind, omitted, data, before }) => [
      key,
      kind,
      omitted,
      data !== null,
      before !== null,
    ]);
    expect(told).toEqual([
      ['1', 'insert', null, true, false],
      ['2', 'insert', null, true, false],
      ['1', 'update', ['before'], true, false],
      ['2', 'update', ['data', 'before'], false, false],
    ]);
    for (const { changes } of messages)
      expect(changes.reduce((sum, each) => sum + Buffer.byteLength(each.text), 0)).toBeLessThan(900_000);
  });
});
