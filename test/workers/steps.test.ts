import { describe, expect, it } from 'vitest';
import type { HarvestRequest } from '../../src/domain/harvest-request.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { start } from '../support/command.ts';
import { describeEngines } from '../support/engines.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { contentOf, ndjsonContent, type Row, tableContent } from '../support/independent.ts';
import { type Living, SET, setUp, whenFetched, whenStaged } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';

const NAME = `oda/${SET}`;
const STEP: Partial<HarvestRequest> = { mode: 'step', formats: [] };
const SWEEP: Partial<HarvestRequest> = { formats: [] };
/** Later than the timestamp of any row of `votes`. */
const LATER = '2025-03-01T12:00:00.333';

/** Puts rows at the source whose content and timestamp have changed. */
function edit(fleet: Fleet, source: Living, ids: readonly number[], timestamp: string | null = LATER): void {
  for (const row of votes(ids)) {
    const edited = { ...row, nummer: -Number(row['id']), opdateringsdato: timestamp };
    fleet.twin.put(SET, edited as never);
    source.rows.set(Number(row['id']), edited);
  }
}

const copyOf = (fleet: Fleet) => tableContent(fleet.context.database.url, NAME);

async function watermarks({ context }: Fleet) {
  const { rows } = await context.database.pool.query<{ filter: string | null; reached: string }>(
    `select filter, to_char(reached, 'YYYY-MM-DD"T"HH24:MI:SS.MS') as reached from sheaf.watermarks order by filter nulls first`,
  );
  return rows;
}
const reached = async (fleet: Fleet) => (await watermarks(fleet))[0]?.reached;

/** A fleet that has swept a source with these ids, and a worker. */
async function swept(ids: readonly number[], redisUrl?: string) {
  const made = await setUp({ ids, redisUrl });
  await made.fleet.harvest(NAME, SWEEP);
  return made;
}

describe('a step', () => {
  it('brings what has changed since the sweep before it, low ids that came late among it, and nothing else', async () => {
    const { fleet, source } = await swept(range(101, 900));
    expect(await reached(fleet)).toBe('2014-09-28T09:05:59.653');
    edit(fleet, source, [3, 150, 151, 899, 2_000]);
    const report = await fleet.harvest(NAME, STEP);
    expect(report).toMatchObject({ kind: 'step', state: 'complete', inserted: 2, updated: 3, deleted: 0 });
    expect(report.records).toBe(5 + votes(range(101, 900)).filter((row) => row['opdateringsdato'] === LAST_DAY).length);
    expect(await copyOf(fleet)).toEqual(source.content());
    expect(await reached(fleet)).toBe(LATER);
    const { timeWindow, proof } = await findRun(fleet.context, report.run);
    expect(timeWindow).toEqual({ from: '2014-09-28T07:05:59', before: '2025-03-01T12:00:01', withUntimed: false });
    expect(proof?.window).toEqual(timeWindow);
  });

  it('that finds nothing costs one request, and one that finds little no more', async () => {
    const { fleet, source } = await swept(range(1, 300));
    edit(fleet, source, [7]);
    fleet.twin.clearRequests();
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ state: 'complete', requests: 1, pages: 1, updated: 1 });
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ state: 'complete', requests: 1, unchanged: 1 });
    source.remove(7);
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ state: 'complete', requests: 1, pages: 0, records: 0 });
    expect(fleet.twin.requests).toHaveLength(3);
    expect(await reached(fleet)).toBe(LATER);
  });

  it('does not see silent edits and deletes, which the next sweep does', async () => {
    const { fleet, source } = await swept(range(1, 300));
    source.remove(5);
    const silent = { ...votes([9])[0], nummer: 77 };
    fleet.twin.put(SET, silent as never);
    source.rows.set(9, silent);
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ inserted: 0, updated: 0, deleted: 0 });
    expect(await copyOf(fleet)).not.toEqual(source.content());
    expect(await fleet.harvest(NAME, SWEEP)).toMatchObject({ kind: 'sweep', updated: 1, deleted: 1 });
    expect(await copyOf(fleet)).toEqual(source.content());
  });

  it('is a sweep where no complete run has left a watermark, and leaves one', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 250) });
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ kind: 'sweep', inserted: 250 });
    edit(fleet, source, [1]);
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ kind: 'step', updated: 1 });
  });

  it('writes what it brings into files, as a run does, and says in the manifest which time it speaks of', async () => {
    const { fleet, source } = await swept(range(1, 27));
    edit(fleet, source, [2, 3]);
    const report = await fleet.harvest(NAME, { mode: 'step', formats: ['ndjson'] });
    const wanted = [...source.rows.values()].filter((row) => row['opdateringsdato'] === LATER);
    expect(await ndjsonContent(report.exports[0]?.path ?? '')).toEqual(contentOf([...wanted, ...votes([27])]));
  });

  it('covers the hour that a clock writes twice when it is put back', async () => {
    const { fleet, source } = await swept(range(1, 100));
    edit(fleet, source, [1], '2025-10-26T02:59:59.997'); // before the clock is put back
    await fleet.harvest(NAME, STEP);
    edit(fleet, source, [2], '2025-10-26T02:00:00'); // after it
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ updated: 1, unchanged: 1 });
    expect(await copyOf(fleet)).toEqual(source.content());
    expect(await reached(fleet)).toBe('2025-10-26T02:59:59.997');
  });

  it('fetches records without a timestamp along, where the source may have such', async () => {
    const at = (id: number, timestamp: string | null, titel = 'Punkt') => ({ id, titel, opdateringsdato: timestamp });
    const first = range(1, 150).map((id) => at(id, id % 50 === 0 ? null : `2024-01-01T00:00:${10 + (id % 50)}`));
    const fleet = await startFleet({ twin: { dataset: inlineData({ Dagsordenspunkt: first }) } });
    const name = 'oda/Dagsordenspunkt';
    await fleet.harvest(name, SWEEP);
    expect(await reached(fleet)).toBe('2024-01-01T00:00:59.000');
    fleet.twin.put('Dagsordenspunkt', at(100, null, 'Andet punkt') as never);
    fleet.twin.put('Dagsordenspunkt', at(7, '2024-06-01T00:00:00', 'Andet punkt') as never);
    fleet.twin.put('Dagsordenspunkt', at(500, null) as never);
    const report = await fleet.harvest(name, STEP);
    expect(report).toMatchObject({ kind: 'step', state: 'complete', updated: 2, inserted: 1 });
    expect(await reached(fleet)).toBe('2024-06-01T00:00:00.000');
  });

  it('is refused over an entity that does not say when its records change', async () => {
    const { checkMode } = await import('../../src/domain/harvest-request.ts');
    const entity = { name: 'X', keyField: 'id', timestampField: null, fields: [], relations: [] };
    expect(() => checkMode(entity, { mode: 'step', since: null })).toThrow(/does not say when its records change/);
    expect(() => checkMode(entity, { mode: 'sweep', since: null })).not.toThrow();
  });
});

const LAST_DAY = '2014-09-28T09:05:59.653';

describe('a step over a source that changes meanwhile', () => {
  it('leaves what changes again to the next step, and brings what came into its time', async () => {
    const { fleet, source } = await swept(range(1, 2_000));
    edit(fleet, source, range(501, 1_500));
    whenStaged(fleet, 3, () => edit(fleet, source, [501, 900, 1_499], '2025-03-01T13:00:00'));
    whenFetched(fleet, (time) => time === 1 && edit(fleet, source, [1_900], '2025-03-01T11:00:00'));
    const report = await fleet.harvest(NAME, STEP);
    expect(report).toMatchObject({ kind: 'step', state: 'complete' });
    const next = await fleet.harvest(NAME, STEP);
    expect(next).toMatchObject({ kind: 'step', state: 'complete' });
    expect(await copyOf(fleet)).toEqual(source.content());
    expect(await reached(fleet)).toBe('2025-03-01T13:00:00.000');
  });

  it('after a sweep finds what had changed behind the sweep’s back', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 1_000) });
    let isEdited = false;
    whenStaged(fleet, 4, () => {
      isEdited = true;
      edit(fleet, source, range(1, 1_000));
    });
    await fleet.harvest(NAME, SWEEP);
    expect(isEdited).toBe(true);
    expect(await reached(fleet)).toBe(LAST_DAY);
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ kind: 'step', state: 'complete', records: 1_000 });
    expect(await copyOf(fleet)).toEqual(source.content());
  });
});

describeEngines('a step that is interrupted at every page', (redisUrl) => {
  it('goes on exactly where it was', async () => {
    const { fleet, source } = await swept(range(1, 500), redisUrl);
    edit(fleet, source, range(101, 500)); // one tie, larger than pages and slices
    fleet.twin.setBehaviour({ cap: 20 });
    const run = await launchRun(fleet.context, fleet.request(NAME, STEP));
    let pages = 0;
    let wake = () => {};
    fleet.context.telemetry.on('run.state', () => wake());
    fleet.context.telemetry.on('pages.staged', (staged) => {
      pages += staged.pages;
      wake();
    });
    while ((await findRun(fleet.context, run)).state === 'fetching') {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const worker = await fleet.startWorker(1);
      await promise;
      await worker.stop();
    }
    await fleet.startWorker();
    const report = await fleet.ended(run);
    expect(report).toMatchObject({ kind: 'step', state: 'complete', updated: 400 });
    expect(pages).toBe(report.pages);
    expect(report.pages).toBeGreaterThanOrEqual(21);
    expect(await copyOf(fleet)).toEqual(source.content());
  });
});

describe('a step whose worker is killed at every page', () => {
  it('goes on exactly where it was', async () => {
    const { fleet, source } = await swept(range(1, 300));
    edit(fleet, source, range(101, 300));
    fleet.twin.setBehaviour({ cap: 20, latencyMs: 600 }); // so slowly that no page waits for the next one
    const { context } = fleet;
    const run = await launchRun(context, fleet.request(NAME, STEP));
    const environment = { DATABASE_URL: context.settings.DATABASE_URL ?? '', SHEAF_ODA_URL: fleet.twin.url };
    const now = async () => {
      const { rows } = await context.database.pool.query<{ state: string; pages: number; idle: number }>(
        `select r.state, sum(s.pages)::int as pages,
           count(*) filter (where s.state = 'working' and s.staged_at is distinct from s.updated_at)::int as idle
         from sheaf.runs r join sheaf.slices s on s.run_id = r.id where r.id = $1 group by r.state`,
        [run],
      );
      return rows[0] ?? { state: 'gone', pages: 0, idle: 0 };
    };
    // A worker holds more than one slice. One that dies with each of them before it has come a page further would be poison.
    const isFurther = async (before: number) => {
      const { state, pages, idle } = await now();
      return state !== 'fetching' || (pages > before && idle === 0);
    };
    let kills = 0;
    for (let before = await now(); before.state === 'fetching'; before = await now()) {
      const worker = start(['worker', '--concurrency', '1'], environment);
      await expect.poll(() => isFurther(before.pages), { timeout: 60_000, interval: 5 }).toBe(true);
      worker.process.kill('SIGKILL');
      await worker.finished;
      kills += 1;
    }
    expect(kills).toBeGreaterThanOrEqual(5); // two slices at a time, with a dozen pages
    await fleet.startWorker();
    const report = await fleet.ended(run);
    expect(report).toMatchObject({ kind: 'step', state: 'complete', updated: 200 });
    expect(await copyOf(fleet)).toEqual(source.content());
  }, 180_000);
});

describe('a tie of 80,000 equal timestamps', () => {
  it('passes as a step', async () => {
    const rows = (change: number) =>
      range(1, 80_000).map((id) => ({ id, typeid: change, afstemningid: 1, aktørid: 1, opdateringsdato: LAST_DAY }));
    const before = { id: 90_000, typeid: 1, afstemningid: 1, aktørid: 1, opdateringsdato: '2014-09-28T09:05:59' };
    const fleet = await startFleet({ twin: { dataset: inlineData({ Stemme: [before] }) } });
    await fleet.startWorker(8);
    const run = async (changes: Partial<HarvestRequest>) =>
      fleet.ended(await launchRun(fleet.context, fleet.request('oda/Stemme', { formats: [], ...changes })));
    await run({});
    fleet.twin.replaceWith(inlineData({ Stemme: [...rows(2), before] }));
    expect(await run(STEP)).toMatchObject({ kind: 'step', state: 'complete', inserted: 80_000, unchanged: 1 });
    const copy = await tableContent(fleet.context.database.url, 'oda/Stemme');
    expect(copy).toEqual(contentOf([...rows(2), before] as Row[]));
  }, 60_000);
});

describe('a watermark', () => {
  it('is not moved by a run that is partial, failed, cancelled or limited', async () => {
    const { fleet, source } = await swept(range(1, 300));
    edit(fleet, source, range(1, 250));
    fleet.twin.setBehaviour({ faults: [{ fault: { kind: 'wrong-count', by: 5 } }] });
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ kind: 'step', state: 'partial' });
    fleet.twin.setBehaviour({ faults: [] });
    expect(await fleet.harvest(NAME, { ...STEP, maxRecords: 10 })).toMatchObject({ kind: 'step', state: 'complete' });
    const { cancel } = await import('../../src/runtime/harvest.ts');
    const run = await launchRun(fleet.context, fleet.request(NAME, STEP));
    await cancel(fleet.context, await findRun(fleet.context, run));
    expect(await reached(fleet)).toBe(LAST_DAY);
    await fleet.harvest(NAME, STEP);
    expect(await copyOf(fleet)).toEqual(source.content());
    expect(await reached(fleet)).toBe(LATER);
  });

  it('never goes back, and neither does the copy, when a run that was planned earlier ends later', async () => {
    const { fleet, source } = await swept(range(1, 900));
    edit(fleet, source, range(1, 300), '2025-02-01T00:00:00'); // what the sweep has read is older than what the step brings
    const { pause, resumeRun } = await import('../../src/runtime/harvest.ts');
    const older = await launchRun(fleet.context, fleet.request(NAME, SWEEP));
    const { promise: isPaused, resolve } = Promise.withResolvers<void>();
    whenStaged(fleet, 2, async () => resolve(await pause(fleet.context, await findRun(fleet.context, older))));
    const worker = await fleet.startWorker(1);
    await isPaused;
    await worker.stop();
    edit(fleet, source, range(1, 950));
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ kind: 'step', updated: 900, inserted: 50 });
    await resumeRun(fleet.context, await findRun(fleet.context, older));
    await fleet.startWorker();
    expect(await fleet.ended(older)).toMatchObject({ kind: 'sweep', state: 'complete', updated: 0, deleted: 0 });
    expect(await copyOf(fleet)).toEqual(source.content());
    expect(await reached(fleet)).toBe(LATER);
  });

  it('is kept for each filter by itself, and for each server', async () => {
    const { fleet, source } = await swept(range(1, 300));
    const filter = 'typeid eq 2';
    expect(await fleet.harvest(NAME, { ...STEP, filter })).toMatchObject({ kind: 'sweep' });
    edit(fleet, source, range(1, 20));
    const matching = [...source.rows.values()].filter((row) => row['typeid'] === 2 && row['opdateringsdato'] === LATER);
    expect(await fleet.harvest(NAME, { ...STEP, filter })).toMatchObject({ kind: 'step', updated: matching.length });
    expect(await watermarks(fleet)).toEqual([
      { filter: null, reached: LAST_DAY },
      { filter, reached: LATER },
    ]);
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ kind: 'step', updated: 20 - matching.length });
    await fleet.context.database.pool.query(`update sheaf.watermarks set source_url = 'http://elsewhere/'`);
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ kind: 'sweep' });
  });

  it('is not lifted into the future by a slip at the source', async () => {
    const { fleet, source } = await swept(range(1, 50));
    edit(fleet, source, [1], '2999-01-01T00:00:00');
    expect(await fleet.harvest(NAME, STEP)).toMatchObject({ updated: 1 });
    expect(Date.parse(`${await reached(fleet)}Z`)).toBeLessThan(Date.now() + 3 * 3_600_000);
  });

  it('is moved by a step since a time that leaves no gap, and by no other', async () => {
    const { fleet, source } = await swept(range(1, 300));
    edit(fleet, source, range(1, 10));
    const late = { ...STEP, since: '2025-03-01T12:00:00' };
    expect(await fleet.harvest(NAME, late)).toMatchObject({
      kind: 'step',
      state: 'complete',
      updated: 10,
      unchanged: 0,
    });
    expect(await reached(fleet)).toBe(LAST_DAY);
    await fleet.harvest(NAME, { ...STEP, since: '2014-09-20T00:00:00' });
    expect(await reached(fleet)).toBe(LATER);
  });
});
