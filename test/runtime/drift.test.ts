import { describe, expect, it, onTestFinished } from 'vitest';
import { renderReport } from '../../src/cli/render/report.ts';
import type { Drift } from '../../src/domain/drift.ts';
import type { HarvestRequest } from '../../src/domain/harvest-request.ts';
import type { RunReport } from '../../src/domain/report.ts';
import { openContext } from '../../src/runtime/context.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { odaSchema } from '../../src/twin/oda-schema.ts';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { type InlineRow, inlineData } from '../../src/twin/twin-data.ts';
import { startServedFleet } from '../server/setup.ts';
import { sheaf } from '../support/command.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const SET = 'Afstemning';
const NAME = `oda/${SET}`;

/** The fields of `votes`, as the twin's notation has them. */
const COLUMNS = 'id:i nummer:i konklusion:s? vedtaget:b kommentar:s? mødeid:i typeid:i sagstrinid:i? opdateringsdato:d';

function data(rows: readonly InlineRow[], columns = COLUMNS) {
  return inlineData({ [SET]: rows }, { schema: [parseEntitySchema(SET, columns)] });
}

const withField = (rows: readonly Record<string, unknown>[], field: Record<string, unknown>) =>
  rows.map((row) => ({ ...row, ...field }));

/** Harvests as a process would that starts now: one that has read the metadata believes them for some minutes. */
async function harvestAnew(fleet: Fleet, changes: Partial<HarvestRequest> = {}): Promise<RunReport> {
  const { settings } = fleet.context;
  const context = await openContext({ settings, logLevel: 'silent', concurrency: 2, rate: null });
  onTestFinished(() => context.close());
  const run = await launchRun(context, fleet.request(NAME, { formats: [], ...changes }));
  const worker = await fleet.startWorker();
  const report = await fleet.ended(run);
  await worker.stop();
  return report;
}

async function query<Row>(fleet: Fleet, text: string): Promise<Row[]> {
  return (await fleet.context.database.pool.query(text)).rows as Row[];
}

const short = ({ kind, field, was, is, key }: Drift) => [kind, field, was, is, key];

async function columnsOf(fleet: Fleet): Promise<string[]> {
  const rows = await query<{ name: string; type: string }>(
    fleet,
    `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
     where attrelid = 'oda."${SET}"'::regclass and attnum > 0 order by attnum`,
  );
  return rows.map(({ name, type }) => `${name} ${type}`);
}

describe('metadata that drift', () => {
  it('are reported with the run, and the view and the dataset go by them', async () => {
    const rows = votes(range(1, 30));
    const fleet = await startFleet({ twin: { dataset: data(rows) } });
    expect((await harvestAnew(fleet)).drift).toEqual([]);

    const told: string[] = [];
    const changed = withField(rows, { vægt: 7 }).map(({ kommentar: _, ...row }) => row);
    const columns = COLUMNS.replace('kommentar:s? ', '')
      .replace('mødeid:i', 'mødeid:l')
      .replace('nummer:i', 'nummer:i?');
    fleet.twin.replaceWith(data(changed, `${columns} vægt:i`));
    fleet.context.telemetry.on('run.drifted', ({ field }) => told.push(field));
    const report = await harvestAnew(fleet);
    expect(report).toMatchObject({ state: 'complete', updated: 30 });
    expect(report.drift.map(short)).toEqual([
      ['gone', 'kommentar', 'text or null', null, null],
      ['retyped', 'mødeid', 'integer', 'bigint', null],
      ['retyped', 'nummer', 'integer', 'integer or null', null],
      ['new', 'vægt', null, 'integer', null],
    ]);
    expect(await columnsOf(fleet)).toEqual([
      ...['id integer', 'nummer integer', 'konklusion text', 'vedtaget boolean', 'mødeid bigint', 'typeid integer'],
      ...['sagstrinid integer', 'opdateringsdato timestamp without time zone', 'vægt integer'],
    ]);
    expect(await query(fleet, `select sum("vægt") as sum from oda."${SET}"`)).toEqual([{ sum: 210 }]);
    expect((await harvestAnew(fleet)).drift).toEqual([]);
  });

  it('end a run that is to fail by them before anything is fetched, and stay to be accepted', async () => {
    const rows = votes(range(1, 30));
    const fleet = await startFleet({ twin: { dataset: data(rows) } });
    await harvestAnew(fleet, { onDrift: 'fail' });
    fleet.twin.replaceWith(data(withField(rows, { vægt: 7 }), `${COLUMNS} vægt:i`));
    const before = await columnsOf(fleet);
    for (const _ of [1, 2]) {
      const report = await harvestAnew(fleet, { onDrift: 'fail' });
      expect(report).toMatchObject({ state: 'failed', pages: 0, error: { code: 'metadata-drift' } });
      expect(report.drift.map(short)).toEqual([['new', 'vægt', null, 'integer', null]]);
      expect(report.reason).toMatch(/vægt is new \(integer\)\. Nothing was fetched.*--on-drift accept/);
    }
    expect(await columnsOf(fleet)).toEqual(before);
    expect(await harvestAnew(fleet)).toMatchObject({ state: 'complete', drift: [{ kind: 'new', field: 'vægt' }] });
    expect(await harvestAnew(fleet, { onDrift: 'fail' })).toMatchObject({
      state: 'complete',
      drift: [],
      unchanged: 30,
    });
  });
});

describe('records that are not what the metadata say', () => {
  it('are taken whole, and reported once for each field with a key', async () => {
    const rows = votes(range(1, 350));
    const fleet = await startFleet({ twin: { dataset: data(rows) } });
    const strange = rows.map((row, index) => (index < 120 ? row : { ...row, vægt: { kg: 7 } })) as InlineRow[];
    strange[4] = { ...rows[4], typeid: 'abc' };
    strange[5] = { ...rows[5], typeid: 2 ** 40, opdateringsdato: 'i går', vedtaget: 'ja', nummer: 1.5 };
    strange[6] = Object.fromEntries(Object.entries(rows[6] ?? {}).filter(([name]) => name !== 'mødeid'));
    strange[7] = { ...rows[7], nummer: null };
    fleet.twin.replaceWith(data(strange));
    const told: string[] = [];
    fleet.context.telemetry.on('run.drifted', ({ kind, field }) => told.push(`${kind} ${field}`));
    const report = await harvestAnew(fleet);
    expect(report).toMatchObject({ state: 'complete', inserted: 350, rejected: 0 });
    expect(report.drift.map(({ kind, field, was, is }) => [kind, field, was, is])).toEqual([
      ['missing-field', 'mødeid', 'integer', null],
      ['other-type', 'nummer', 'integer', 'a number'],
      ['other-type', 'opdateringsdato', 'timestamp', 'text'],
      ['other-type', 'typeid', 'integer', 'text'],
      ['other-type', 'vedtaget', 'boolean', 'text'],
      ['unknown-field', 'vægt', null, 'an object'],
    ]);
    expect(report.drift.map(({ key }) => key).slice(0, 5)).toEqual(['7', '6', '6', '5', '6']);
    expect(Number(report.drift[5]?.key)).toBeGreaterThan(120);
    expect(told.toSorted()).toEqual(report.drift.map(({ kind, field }) => `${kind} ${field}`).toSorted());
    // Nothing is lost, and nothing breaks the view.
    const content = await tableContent(fleet.context.database.url, NAME);
    expect(JSON.parse(content.get('5') ?? '')).toMatchObject({ typeid: 'abc' });
    expect(JSON.parse(content.get('350') ?? '')).toMatchObject({ vægt: { kg: 7 } });
    const view = `select id, typeid, nummer, vedtaget, opdateringsdato, "mødeid" from oda."${SET}"`;
    expect(await query(fleet, `${view} where id in (5, 6, 7) order by id`)).toEqual([
      expect.objectContaining({ id: 5, typeid: null, nummer: 15 }),
      { id: 6, typeid: null, nummer: null, vedtaget: null, opdateringsdato: null, mødeid: 17 },
      expect.objectContaining({ id: 7, typeid: 4, mødeid: null }),
    ]);
  });

  it('fail a run that is to fail by them before its merge, with what was known left as it was', async () => {
    const rows = votes(range(1, 150));
    const fleet = await startFleet({ twin: { dataset: data(rows) } });
    await harvestAnew(fleet, { onDrift: 'fail' });
    const before = await tableContent(fleet.context.database.url, NAME);
    fleet.twin.replaceWith(data([...rows.slice(0, 149), { ...rows[149], typeid: 'abc' }]));
    const report = await harvestAnew(fleet, { onDrift: 'fail', formats: ['ndjson'] });
    expect(report).toMatchObject({ state: 'failed', records: 150, inserted: 0, exports: [] });
    expect(report.error).toMatchObject({ code: 'record-drift', facts: { field: 'typeid', key: '150' } });
    expect(report.drift.map(short)).toEqual([['other-type', 'typeid', 'integer', 'text', '150']]);
    expect(await tableContent(fleet.context.database.url, NAME)).toEqual(before);
    expect(await harvestAnew(fleet)).toMatchObject({ state: 'complete', updated: 1 });
  });

  it('are seen by a step, too, whose only page came with its plan', async () => {
    const rows = votes(range(1, 30));
    const fleet = await startFleet({ twin: { dataset: data(rows) } });
    await harvestAnew(fleet);
    const [row] = votes([31]);
    fleet.twin.put(SET, { ...row, opdateringsdato: '2025-01-01T00:00:00', vægt: 7 } as InlineRow);
    expect(await harvestAnew(fleet, { mode: 'step', onDrift: 'fail' })).toMatchObject({
      state: 'failed',
      error: { code: 'record-drift' },
      drift: [{ kind: 'unknown-field', field: 'vægt', key: '31' }],
    });
    expect(await harvestAnew(fleet, { mode: 'step' })).toMatchObject({ state: 'complete', inserted: 1 });
  });

  it('that invent fields without end fill no ledger', async () => {
    const rows = votes(range(1, 400)).map((row, index) => ({ ...row, [`felt${index}`]: 1 }));
    rows[3] = { ...rows[3], '\0': 1, '\ud800': 1 };
    const fleet = await startFleet({ twin: { dataset: data(rows) } });
    const report = await harvestAnew(fleet);
    expect(report).toMatchObject({ records: 399, rejected: 1 });
    expect(report.drift.length).toBeGreaterThan(100);
    expect(report.drift.length).toBeLessThanOrEqual(200);
  });

  it('are no drift where only some fields were asked for', async () => {
    const fleet = await startFleet({ twin: { dataset: data(votes(range(1, 30))) } });
    const report = await harvestAnew(fleet, { select: ['nummer'], formats: ['ndjson'] });
    expect(report).toMatchObject({ state: 'complete', drift: [] });
  });
});

describe('drift of both kinds', () => {
  it('is shown by status, by the API and on the page, and a run handed over that ends by it exits 1', async () => {
    const rows = votes(range(1, 30));
    const fleet = await startServedFleet({ twin: { dataset: data(rows) } });
    await harvestAnew(fleet);
    const strange = rows.map((row, index) => ({ ...row, ...(index === 8 ? { '<b>æ</b>': 1, vægt: 7 } : { vægt: 7 }) }));
    fleet.twin.replaceWith(data(strange, `${COLUMNS} vægt:i`));
    const environment = {
      DATABASE_URL: fleet.context.database.url,
      REDIS_URL: '',
      SHEAF_ODA_URL: fleet.twin.url,
      SHEAF_OUT: fleet.out,
    };
    const refused = await sheaf(['harvest', NAME, '--on-drift', 'fail', '--detach'], environment);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toMatch(/vægt is new \(integer\)/);
    expect(refused.stderr).not.toMatch(/sheaf resume|Enqueued/);

    const report = await harvestAnew(fleet);
    const { run } = report;
    const wanted = [
      { kind: 'new', field: 'vægt', was: null, is: 'integer', key: null },
      { kind: 'unknown-field', field: '<b>æ</b>', was: null, is: 'a whole number', key: '9' },
    ];
    const status = await sheaf(['status', run, '--json'], environment);
    expect(JSON.parse(status.stdout)).toMatchObject({ run, state: 'complete', drift: wanted });
    expect(renderReport(report)).toMatch(/drift: vægt is new \(integer\)\n {2}drift: record 9 has a field <b>æ<\/b>/);
    const answer = await fetch(`${fleet.url}/api/runs/${run}`);
    expect(await answer.json()).toMatchObject({ drift: wanted, request: { onDrift: 'accept' } });
    const page = await (await fetch(`${fleet.url}/runs/${run}`)).text();
    expect(page).toContain('What has drifted');
    expect(page).toContain('vægt is new (integer)');
    expect(page).toContain('record 9 has a field &#60;b&#62;æ&#60;/b&#62;');
    const start = { dataset: NAME, onDrift: 'perhaps' };
    const headers = { 'content-type': 'application/json' };
    const bad = await fetch(`${fleet.url}/api/runs`, { method: 'POST', headers, body: JSON.stringify(start) });
    expect(bad.status).toBe(400);
  }, 60_000);
});

describe('typed views', () => {
  it('are there for every entity of the metadata from the first plan on, by several processes at once', async () => {
    const fleet = await startFleet({ twin: { dataset: inlineData({ [SET]: votes(range(1, 5)), Sag: [] }) } });
    await Promise.all([harvestAnew(fleet), launchRun(fleet.context, fleet.request('oda/Sag'))]);
    const views = await query<{ name: string }>(
      fleet,
      `select viewname as name from pg_views where schemaname = 'oda'`,
    );
    expect(views.map(({ name }) => name).toSorted()).toEqual([...odaSchema.keys()].toSorted());
    expect(await query(fleet, 'select id, titel from oda."Sag"')).toEqual([]);
    expect(await query(fleet, `select count(*) from oda."${SET}"`)).toEqual([{ count: 5 }]);
  });

  it('come back when they were dropped, and stay as they are when somebody has built on them, which is told', async () => {
    const rows = votes(range(1, 5));
    const fleet = await startFleet({ twin: { dataset: data(rows) } });
    await harvestAnew(fleet);
    await query(fleet, `drop view oda."${SET}"; create view oda."Sag2" as select id from oda."Sag"`);
    await harvestAnew(fleet);
    await query(fleet, `create view mine as select sum(nummer) as sum, count(kommentar) from oda."${SET}"`);
    const before = await columnsOf(fleet);
    // A field that is only added at the end leaves every column in its place.
    fleet.twin.replaceWith(data(rows, `${COLUMNS} vægt:i?`));
    expect((await harvestAnew(fleet)).drift.map(({ kind }) => kind)).toEqual(['new', 'missing-field']);
    expect(await columnsOf(fleet)).toEqual([...before, 'vægt integer']);

    fleet.twin.replaceWith(data(rows, COLUMNS.replace('kommentar:s? ', '')));
    for (const drift of [
      ['gone', 'gone', 'view-kept', 'unknown-field'],
      ['view-kept', 'unknown-field'],
    ]) {
      const report = await harvestAnew(fleet);
      expect(report.state).toBe('complete');
      expect(report.drift.map(({ kind }) => kind).toSorted()).toEqual(drift.toSorted());
      expect(report.drift.find(({ kind }) => kind === 'view-kept')?.field).toBe(`oda."${SET}"`);
      expect(await columnsOf(fleet)).toEqual([...before, 'vægt integer']);
      expect(await query(fleet, 'select sum from mine')).toEqual([{ sum: 45 }]);
    }
    await query(fleet, 'drop view mine');
    expect((await harvestAnew(fleet)).drift.map(({ kind }) => kind)).toEqual(['unknown-field']);
    expect(await columnsOf(fleet)).toEqual(before.filter((column) => !column.startsWith('kommentar')));
  });
});
