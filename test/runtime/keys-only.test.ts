import { describe, expect, it } from 'vitest';
import { findWatermark } from '../../src/db/queries/watermarks.ts';
import { checkKeysOnly, type HarvestRequest, REQUEST_DEFAULTS } from '../../src/domain/harvest-request.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { replayRejects } from '../../src/runtime/replay-rejects.ts';
import type { Fleet } from '../support/fleet.ts';
import { tableContent } from '../support/independent.ts';
import { SET, setUp } from '../support/living-source.ts';
import { range, votes } from '../support/rows.ts';

const NAME = `oda/${SET}`;
const KEYS = { keysOnly: true, formats: [] } as const;

async function bytesOf({ context }: Fleet, run: string): Promise<number> {
  const { rows } = await context.database.pool.query<{ bytes: number }>(
    'select sum(bytes)::float8 as bytes from sheaf.slices where run_id = $1',
    [run],
  );
  return rows[0]?.bytes ?? 0;
}

const watermark = async ({ context, twin }: Fleet) =>
  findWatermark(context.database, {
    dataset: NAME,
    sourceUrl: twin.url,
    request: { filter: null, select: null, maxRecords: null },
  });

describe('a sweep by keys', () => {
  it('marks what has gone, writes nothing else, and counts what it has found besides', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 500) });
    const full = await fleet.harvest(NAME, { formats: [] });
    source.remove(7, 200, 500);
    source.put(611, 612);
    const edited = { ...votes([9])[0], konklusion: 'Forkastet', opdateringsdato: '2025-01-01T00:00:00' };
    const silent = { ...votes([10])[0], konklusion: 'Forkastet' };
    for (const row of [edited, silent]) fleet.twin.put(SET, row as never);
    const before = await tableContent(fleet.context.database.url, NAME);
    const reached = await watermark(fleet);

    fleet.twin.clearRequests();
    const report = await fleet.harvest(NAME, KEYS);
    expect(report).toMatchObject({ kind: 'keys-only', state: 'complete', records: 499, exports: [] });
    expect(report).toMatchObject({ inserted: 0, updated: 0, unchanged: 0, deleted: 3 });
    expect(report.ahead).toEqual({ added: 2, changed: 1 }); // the silent edit cannot be seen
    for (const key of ['7', '200', '500']) before.delete(key);
    expect(await tableContent(fleet.context.database.url, NAME)).toEqual(before);
    expect(await watermark(fleet)).toBe(reached);
    expect(fleet.twin.requests.every(({ path }) => path.includes('$select=id,opdateringsdato'))).toBe(true);
    expect(await bytesOf(fleet, report.run)).toBeLessThan((await bytesOf(fleet, full.run)) / 2);
    const { rows } = await fleet.context.database.pool.query(
      `select key, kind, before ->> 'id' as id from sheaf.changes where run_id = $1 order by length(key), key`,
      [report.run],
    );
    expect(rows).toEqual(['7', '200', '500'].map((key) => ({ key, kind: 'delete', id: key })));
    // Nobody takes it for a sweep that has seen content: the next step goes on from the sweep before.
    const step = await fleet.harvest(NAME, { formats: [], mode: 'step' });
    expect(step).toMatchObject({ kind: 'step', updated: 1 });
  });

  it('leaves a deleted record that is back as it is, and counts it', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 50) });
    await fleet.harvest(NAME, { formats: [] });
    source.remove(9);
    expect(await fleet.harvest(NAME, KEYS)).toMatchObject({ deleted: 1, ahead: { added: 0, changed: 0 } });
    source.put(9);
    expect(await fleet.harvest(NAME, KEYS)).toMatchObject({ deleted: 0, ahead: { added: 1, changed: 0 } });
    expect((await tableContent(fleet.context.database.url, NAME)).has('9')).toBe(false);
    expect(await fleet.harvest(NAME, { formats: [] })).toMatchObject({ inserted: 1, ahead: null });
  });

  it('by offset does the same, and deletes no more than its share', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 250) });
    await fleet.harvest(NAME, { formats: [] });
    source.remove(1, 2);
    expect(await fleet.harvest(NAME, { ...KEYS, strategy: 'offset' })).toMatchObject({ deleted: 2 });
    source.remove(...range(3, 100));
    const refused = await fleet.harvest(NAME, KEYS);
    expect(refused).toMatchObject({ state: 'partial', deleted: 0 });
    expect(refused.deletesWithheld).toMatch(/^98 of 248 records/);
    expect(await tableContent(fleet.context.database.url, NAME)).toHaveProperty('size', 248);
  });

  it('is refused for a dataset that was never harvested, and its rejects cannot be taken', async () => {
    const { fleet } = await setUp({ ids: range(1, 20) });
    await expect(launchRun(fleet.context, fleet.request(NAME, KEYS))).rejects.toMatchObject({
      code: 'unknown-dataset',
    });
    await fleet.harvest(NAME, { formats: [] });
    fleet.twin.put(SET, { ...votes([21])[0], id: null } as never);
    const { run } = await fleet.harvest(NAME, KEYS);
    const replay = replayRejects(
      fleet.context,
      { runs: [await findRun(fleet.context, run)], isDataset: false, name: run },
      { reason: null, isDryRun: false },
    );
    await expect(replay).rejects.toThrow('keys without content');
  });
});

const request: HarvestRequest = {
  ...REQUEST_DEFAULTS,
  dataset: { source: 'oda', entity: SET },
  out: '/nowhere',
  keysOnly: true,
};

describe('what makes no sense with it', () => {
  it.each<[string, Partial<HarvestRequest>, string]>([
    ['a step', { mode: 'step' }, 'cannot be a step'],
    ['a time', { since: '2025-01-01T00:00:00' }, 'cannot be a step'],
    ['a filter', { filter: 'id eq 1' }, '--filter'],
    ['a selection', { select: ['id'] }, '--select'],
    ['a limit', { maxRecords: 5 }, '--max-records'],
    ['files', { formats: ['csv'] }, 'no files'],
  ])('is refused: %s', (_what, changes, reason) => {
    const check = () => checkKeysOnly({ name: 'oda', canSelect: true }, { ...request, ...changes });
    expect(check).toThrow(reason);
    expect(() =>
      checkKeysOnly({ name: 'oda', canSelect: true }, { ...request, ...changes, keysOnly: false }),
    ).not.toThrow();
  });

  it('is refused: a source that cannot leave fields out', () => {
    expect(() => checkKeysOnly({ name: 'plain', canSelect: false }, request)).toThrow(
      /The source plain cannot be asked/,
    );
  });
});
