import { describe, expect, it } from 'vitest';
import { launchRun, resumeRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import type { FaultRule } from '../../src/twin/faults.ts';
import { parseEntitySchema } from '../../src/twin/schema.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { startFleet } from '../support/fleet.ts';
import { contentOf, ndjsonContent, tableContent } from '../support/independent.ts';
import { range, votes } from '../support/rows.ts';

const always = (fault: FaultRule['fault'], where: NonNullable<FaultRule['where']>): FaultRule => ({ fault, where });
const pagesOf = { entity: 'Afstemning', pathIncludes: 'id le' };

describe('a source that misbehaves', () => {
  it.each<[string, FaultRule['fault']]>([
    ['answers 503', { kind: 'status', status: 503 }],
    ['answers 429 and says when to come back', { kind: 'status', status: 429, retryAfter: { inSeconds: 1 } }],
    ['resets the connection', { kind: 'reset' }],
    ['cuts bodies short', { kind: 'truncated-body' }],
    ['answers HTML with status 200', { kind: 'html-body' }],
    ['answers JSON of another shape', { kind: 'other-shape' }],
    ['repeats rows inside a page', { kind: 'duplicated-rows' }],
  ])('now and then %s costs nothing but repeats', async (_what, fault) => {
    const rows = votes(range(1, 900));
    const faults = [{ fault, count: 3, where: pagesOf }];
    const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: rows }), behaviour: { faults } } });
    const report = await fleet.harvest('oda/Afstemning', { formats: ['ndjson'] });
    expect(report).toMatchObject({ state: 'complete', records: 900, inserted: 900, rejected: 0 });
    expect(await ndjsonContent(report.exports[0]?.path ?? '')).toEqual(contentOf(rows));
  });

  it('fails the run with status, URL and first bytes, publishes nothing, and is resumed when the source is well', async () => {
    const rows = votes(range(1, 900));
    const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: rows }) } });
    const broken = { kind: 'status', status: 404, body: 'The page was moved' } as const;
    fleet.twin.setBehaviour({ faults: [always(broken, { entity: 'Afstemning', key: 450, pathIncludes: 'id le' })] });
    const failed = await fleet.harvest('oda/Afstemning');
    expect(failed.state).toBe('failed');
    expect(failed.reason).toMatch(/slice \d+ failed: http:\/\/127\.0\.0\.1:\d+\/api\/Afstemning\S+ answered 404/);
    expect(failed.exports).toEqual([]);
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(new Map());

    fleet.twin.setBehaviour({ faults: [] });
    fleet.twin.clearRequests();
    await resumeRun(fleet.context, await findRun(fleet.context, failed.run));
    const worker = await fleet.startWorker();
    const repaired = await fleet.ended(failed.run);
    await worker.stop();
    expect(repaired).toMatchObject({ state: 'complete', records: 900, inserted: 900 });
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(contentOf(rows));
  });

  it('never loses a row without a key in silence, not even the last', async () => {
    const rows = [...votes(range(1, 250)), { nummer: 251, opdateringsdato: '2026-01-01T00:00:00' }];
    const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: rows }) } });
    const byKey = await fleet.harvest('oda/Afstemning', { formats: [] });
    expect(byKey).toMatchObject({ state: 'partial', records: 250, rejected: 0 });
    expect(byKey.reason).toMatch(/counts 251, but 1 of them lie in no range of keys.*--strategy offset/);
    const byPosition = await fleet.harvest('oda/Afstemning', { formats: [], strategy: 'offset' });
    expect(byPosition).toMatchObject({ state: 'complete', records: 250, rejected: 1 });
  });

  it('publishes what there is, and says that it is partial, under the policy that allows it', async () => {
    const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: votes(range(1, 900)) }) } });
    const broken = { kind: 'status', status: 404 } as const;
    fleet.twin.setBehaviour({ faults: [always(broken, { entity: 'Afstemning', key: 450, pathIncludes: 'id le' })] });
    const report = await fleet.harvest('oda/Afstemning', { onFailure: 'partial' });
    expect(report.state).toBe('partial');
    expect(report.reason).toMatch(/^\d+ of \d+ slices failed$/);
    expect(report.records).toBeGreaterThan(0);
    expect(report.records).toBeLessThan(900);
    const table = await tableContent(fleet.context.database.url, 'oda/Afstemning');
    expect(table.size).toBe(report.records);
  });

  it('is found out when it ignores the filter or the order', async () => {
    for (const behaviour of [{ filter: 'ignore' }, { orderBy: 'shuffle' }] as const) {
      const fleet = await startFleet({ twin: { dataset: inlineData({ Afstemning: votes(range(1, 900)) }) } });
      const run = await launchRun(fleet.context, fleet.request('oda/Afstemning'));
      fleet.twin.setBehaviour(behaviour);
      const worker = await fleet.startWorker();
      const report = await fleet.ended(run);
      await worker.stop();
      expect(report).toMatchObject({ state: 'failed', inserted: 0, exports: [] });
      expect(report.reason).toMatch(/ignored the (range of id|order)|not in the order/);
    }
  });

  it('leaves a run partial when its count and its records do not agree', async () => {
    const fleet = await startFleet({
      twin: { dataset: inlineData({ Afstemning: votes(range(1, 300)) }), behaviour: { countError: 7 } },
    });
    const report = await fleet.harvest('oda/Afstemning');
    expect(report).toMatchObject({ state: 'partial', records: 300 });
    expect(report.reason).toMatch(/the source counts 307, but 300 came/);
  });
});

describe('a record that cannot be taken', () => {
  const schema = [parseEntitySchema('Odd', 'id:l text:s? number:l?')];

  it('is one reject when it is the last row of a page', async () => {
    const rows = range(1, 1_500).map((id) => (id === 100 ? { key: id, text: '{"text":"no key"}' } : `{"id":${id}}`));
    // The far last key makes the first slice hold all the others, so that it has many pages.
    const dataset = inlineData({ Odd: [...rows, '{"id":90000}'] }, { schema });
    const fleet = await startFleet({ twin: { dataset } });
    expect(await fleet.harvest('oda/Odd')).toMatchObject({ state: 'complete', records: 1_500, rejected: 1 });
  });

  it('is stored losslessly where PostgreSQL can, and is a reject with its reason where it cannot', async () => {
    const dataset = inlineData(
      {
        Odd: [
          '{"id":1,"text":"plain","number":1}',
          '{"id":2,"text":"nul \\u0000 inside","number":2}',
          '{"id":3,"text":"lone \\ud800 surrogate","number":3}',
          '{"id":4,"text":"beyond 2^53","number":9007199254740993}',
          '{"id":5,"text":"as many digits","number":1.50}',
          '{"id":6,"text":"a pair \\ud83d\\ude00","number":6}',
          { key: 7, text: '{"text":"no key","number":7}' },
          '{"id":8,"text":"tab\\t line\\n back\\\\slash","number":8}',
        ],
      },
      { schema },
    );
    const fleet = await startFleet({ twin: { dataset } });
    const report = await fleet.harvest('oda/Odd', { formats: ['ndjson', 'csv'] });
    expect(report).toMatchObject({ records: 5, rejected: 3, state: 'complete' });

    const { rows } = await fleet.context.database.pool.query<{ key: string; data: string }>(
      `select key, data::text from sheaf.records where dataset = 'oda/Odd' order by key`,
    );
    const texts = new Map(rows.map(({ key, data }) => [key, data]));
    expect(texts.get('4')).toContain('9007199254740993');
    expect(texts.get('5')).toContain('1.50');
    expect(JSON.parse(texts.get('6') ?? '')).toMatchObject({ text: 'a pair 😀' });
    expect(JSON.parse(texts.get('8') ?? '')).toMatchObject({ text: 'tab\t line\n back\\slash' });
    const rejects = await fleet.context.database.pool.query(
      'select key, reason, record from sheaf.rejects where run_id = $1 order by id',
      [report.run],
    );
    expect(rejects.rows.toSorted((a, b) => a.record.localeCompare(b.record))).toEqual(
      [
        { key: '3', reason: 'not-storable', record: '{"id":3,"text":"lone \\ud800 surrogate","number":3}' },
        { key: '2', reason: 'not-storable', record: '{"id":2,"text":"nul \\u0000 inside","number":2}' },
        { key: null, reason: 'no-key', record: '{"text":"no key","number":7}' },
      ].toSorted((a, b) => a.record.localeCompare(b.record)),
    );
  });
});
