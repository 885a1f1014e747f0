import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HarvestRequest } from '../../src/domain/harvest-request.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { loadFolder } from '../../src/twin/folder-data.ts';
import type { TwinData } from '../../src/twin/twin-data.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { contentOf as contentByKey, tableContent } from '../support/independent.ts';

const folder = resolve('../shared/data/oda');

type Row = Readonly<Record<string, unknown>>;
/** A snapshot's lines by key, read without any of Sheaf's code. */
type Snapshot = ReadonlyMap<string, string>;

function readSnapshot(taken: string, entity: string): Snapshot {
  const lines = gunzipSync(readFileSync(join(folder, taken, `${entity}.ndjson.gz`)))
    .toString('utf8')
    .trimEnd()
    .split('\n');
  return new Map(lines.map((line) => [String((JSON.parse(line) as Row)['id']), line]));
}

const member = (line: string) => (JSON.parse(line) as Row)['aktørid'];

/** Both snapshots, of the members that both have: they were taken of different ones. */
function ofCommonMembers(old: Snapshot, young: Snapshot): Snapshot[] {
  const members = new Set([...old.values()].map(member));
  const common = new Set([...young.values()].map(member).filter((id) => members.has(id)));
  return [old, young].map((snapshot) => new Map([...snapshot].filter(([, line]) => common.has(member(line)))));
}

interface Difference {
  readonly inserted: readonly string[];
  readonly updated: readonly string[];
  readonly deleted: readonly string[];
  /** Pairs of a row that went and one that came with the same content but for id and timestamp. */
  readonly rekeyed: number;
}

/** What lies between two snapshots: this test's own comparison, to the row. */
function compare(old: Snapshot, young: Snapshot): Difference {
  const inserted = [...young.keys()].filter((key) => !old.has(key));
  const deleted = [...old.keys()].filter((key) => !young.has(key));
  const updated = [...young.keys()].filter((key) => old.has(key) && old.get(key) !== young.get(key));
  const gone = new Map<string, number>();
  for (const key of deleted) {
    const content = contentOf(old.get(key));
    gone.set(content, (gone.get(content) ?? 0) + 1);
  }
  let rekeyed = 0;
  for (const key of inserted) {
    const content = contentOf(young.get(key));
    const left = gone.get(content) ?? 0;
    if (left === 0) continue;
    gone.set(content, left - 1);
    rekeyed += 1;
  }
  return { inserted, updated, deleted, rekeyed };
}

function contentOf(line = ''): string {
  const { id: _id, opdateringsdato: _at, ...rest } = JSON.parse(line) as Row;
  return JSON.stringify(Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Which fields of a row differ. */
function fieldsBetween(old = '', young = ''): string[] {
  const [before, after] = [JSON.parse(old) as Row, JSON.parse(young) as Row];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name])).toSorted();
}

async function served(entity: string, snapshot: Snapshot): Promise<TwinData> {
  const directory = await mkdtemp(join(tmpdir(), 'sheaf-snapshot-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, `${entity}.ndjson`), [...snapshot.values()].join('\n'));
  return loadFolder(directory);
}

interface Noted {
  readonly key: string;
  readonly kind: string;
  readonly fields: string[] | null;
  readonly other_key: string | null;
}

async function changesOf({ context }: Fleet, run: string): Promise<Noted[]> {
  const { rows } = await context.database.pool.query<Noted>(
    'select key, kind, fields, other_key from sheaf.changes where run_id = $1',
    [run],
  );
  return rows;
}

const sorted = (keys: readonly string[]) => keys.toSorted();

/** Sweeps one snapshot after the other, each twice, and holds what Sheaf says has changed against the comparison. */
async function replay(entity: string, snapshots: readonly Snapshot[]): Promise<Difference[]> {
  const first = snapshots[0] ?? new Map();
  const fleet = await startFleet({ twin: { dataset: await served(entity, first) } });
  await fleet.startWorker(8);
  const differences: Difference[] = [];
  let old: Snapshot = new Map();
  for (const young of snapshots) {
    fleet.twin.replaceWith(await served(entity, young));
    const wanted = compare(old, young);
    const report = await sweep(fleet, entity);
    expect(report).toMatchObject({
      state: 'complete',
      records: young.size,
      inserted: wanted.inserted.length - wanted.rekeyed,
      updated: wanted.updated.length,
      deleted: wanted.deleted.length - wanted.rekeyed,
      rekeyed: wanted.rekeyed,
    });
    const changes = await changesOf(fleet, report.run);
    const keysOf = (kind: string) => sorted(changes.filter((each) => each.kind === kind).map(({ key }) => key));
    expect(keysOf('insert')).toEqual(sorted(wanted.inserted));
    expect(keysOf('update')).toEqual(sorted(wanted.updated));
    expect(keysOf('delete')).toEqual(sorted(wanted.deleted));
    for (const { key, kind, fields, other_key: other } of changes) {
      if (kind === 'update')
        expect([key, fields?.toSorted()]).toEqual([key, fieldsBetween(old.get(key), young.get(key))]);
      if (kind === 'delete' && other !== null) expect(contentOf(old.get(key))).toBe(contentOf(young.get(other)));
    }
    expect(new Set((await tableContent(fleet.context.database.url, `oda/${entity}`)).keys())).toEqual(
      new Set(young.keys()),
    );
    const again = await sweep(fleet, entity);
    expect(again).toMatchObject({ inserted: 0, updated: 0, deleted: 0, rekeyed: 0, unchanged: young.size });
    expect(await changesOf(fleet, again.run)).toEqual([]);
    differences.push(wanted);
    old = young;
  }
  return differences;
}

const sweep = (fleet: Fleet, entity: string) => harvest(fleet, entity, {});

async function harvest(fleet: Fleet, entity: string, changes: Partial<HarvestRequest>) {
  const request = fleet.request(`oda/${entity}`, { formats: [], maxDeletes: 1, ...changes });
  return fleet.ended(await launchRun(fleet.context, request));
}

const canonicalOf = (snapshot: Snapshot) => contentByKey([...snapshot.values()].map((line) => JSON.parse(line) as Row));

const figures = ({ inserted, updated, deleted, rekeyed }: Difference) => ({
  inserted: inserted.length,
  updated: updated.length,
  deleted: deleted.length,
  rekeyed,
});

describe.runIf(existsSync(folder))('real snapshots, taken years apart and swept one after the other', () => {
  it('of Afstemning: every insert, silent edit and delete is found', async () => {
    const snapshots = ['2014-12', '2019-03', '2024-01', '2025-06'].map((taken) => readSnapshot(taken, 'Afstemning'));
    const found = (await replay('Afstemning', snapshots)).map(figures);
    expect(found.slice(1).reduce((sum, { deleted }) => sum + deleted, 0)).toBeGreaterThan(6);
    expect(found.every(({ inserted }) => inserted > 0)).toBe(true);
  }, 120_000);

  it('of Stemme, ten years apart: rows that came back under other ids are told from news', async () => {
    const pair = ofCommonMembers(readSnapshot('2014-12', 'Stemme'), readSnapshot('2024-01', 'Stemme'));
    const [, later] = (await replay('Stemme', pair)).map(figures);
    expect(later?.rekeyed).toBeGreaterThan(4_000);
  }, 120_000);

  it('of Stemme, a year apart', async () => {
    const pair = ['2024-01', '2025-06'].map((taken) => readSnapshot(taken, 'Stemme'));
    await replay('Stemme', pair);
  }, 120_000);
});

/** Two hours earlier, by another way than Sheaf's. */
function twoHoursBefore(timestamp: string): string {
  const at = new Date(`${timestamp.slice(0, 19)}Z`);
  at.setUTCHours(at.getUTCHours() - 2);
  return at.toISOString().slice(0, 19);
}

const changedAt = (line = '') => String((JSON.parse(line) as Row)['opdateringsdato']);

/** What a step makes of the old snapshot: it gets the rows whose timestamp is at the old one's latest, or a little before it, or later. */
function stepped(old: Snapshot, young: Snapshot): Snapshot {
  const from = twoHoursBefore([...old.values()].map(changedAt).toSorted().at(-1) ?? '');
  return new Map([...old, ...[...young].filter(([, line]) => changedAt(line) >= from)]);
}

describe.runIf(existsSync(folder))('real snapshots of Afstemning, taken years apart, as steps', () => {
  it.each([
    ['2014-12', '2019-03', { inserted: 5_302, updated: 1_651 }, { inserted: 0, updated: 4, deleted: 6, rekeyed: 0 }],
    ['2019-03', '2024-01', { inserted: 2_512, updated: 1 }, { inserted: 0, updated: 3_401, deleted: 1, rekeyed: 0 }],
    ['2024-01', '2025-06', { inserted: 831, updated: 1 }, { inserted: 0, updated: 0, deleted: 0, rekeyed: 0 }],
  ])(
    '%s to %s: what a step can see is exact, and the next sweep finds the rest',
    async (before, after, seen, missed) => {
      const [old, young] = [readSnapshot(before, 'Afstemning'), readSnapshot(after, 'Afstemning')];
      const fleet = await startFleet({ twin: { dataset: await served('Afstemning', old) } });
      await fleet.startWorker(8);
      await sweep(fleet, 'Afstemning');
      fleet.twin.replaceWith(await served('Afstemning', young));
      const wanted = stepped(old, young);
      const step = await harvest(fleet, 'Afstemning', { mode: 'step' });
      const { inserted, updated } = compare(old, wanted);
      expect(step).toMatchObject({
        kind: 'step',
        state: 'complete',
        inserted: inserted.length,
        updated: updated.length,
      });
      const copy = await tableContent(fleet.context.database.url, 'oda/Afstemning');
      expect(copy).toEqual(canonicalOf(wanted));
      const rest = compare(wanted, young);
      const next = await sweep(fleet, 'Afstemning');
      const { rekeyed } = rest;
      expect(next).toMatchObject({
        updated: rest.updated.length,
        inserted: rest.inserted.length - rekeyed,
        deleted: rest.deleted.length - rekeyed,
        rekeyed,
      });
      expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(canonicalOf(young));
      expect([{ inserted: inserted.length, updated: updated.length }, figures(rest)]).toEqual([seen, missed]);
    },
  );
});
