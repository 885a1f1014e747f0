import { expect } from 'vitest';
import { listSlices } from '../../src/db/queries/slices.ts';
import type { HarvestRequest } from '../../src/domain/harvest-request.ts';
import type { Proof } from '../../src/domain/proof.ts';
import type { RunReport } from '../../src/domain/report.ts';
import { launchRun } from '../../src/runtime/harvest.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { inlineData } from '../../src/twin/twin-data.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { contentOf, ndjsonContent, type Row, tableContent } from './independent.ts';
import { votes } from './rows.ts';

export const SET = 'Afstemning';

/** What the source holds, kept beside the twin, so that a test knows at every moment what a copy should hold. */
export class Living {
  readonly rows: Map<number, Row>;
  readonly #fleet: Fleet;
  constructor(fleet: Fleet, ids: readonly number[]) {
    this.#fleet = fleet;
    this.rows = new Map(votes(ids).map((row) => [Number(row['id']), row]));
  }
  put(...ids: number[]): void {
    for (const row of votes(ids)) {
      this.#fleet.twin.put(SET, row as never);
      this.rows.set(Number(row['id']), row);
    }
  }
  remove(...ids: number[]): void {
    for (const id of ids) {
      this.#fleet.twin.remove(SET, id);
      this.rows.delete(id);
    }
  }
  content(): Map<string, string> {
    return contentOf([...this.rows.values()]);
  }
}

interface SetUp {
  readonly ids: readonly number[];
  readonly redisUrl?: string | undefined;
  readonly environment?: Record<string, string>;
}

/** A fleet in front of a source with these ids, that can change. */
export async function setUp({ ids, redisUrl, environment = {} }: SetUp) {
  const twin = { dataset: inlineData({ [SET]: votes(ids) }) };
  const fleet = await startFleet({ redisUrl, twin, environment });
  return { fleet, source: new Living(fleet, ids) };
}

/** Does something each time that a run's slices have all settled, before anything is verified. */
export function whenFetched(fleet: Fleet, act: (time: number) => void): void {
  let time = 0;
  fleet.context.telemetry.on('run.state', ({ state }) => {
    if (state === 'finalising') act(++time);
  });
}

/** Does something once as many pages are staged, or more. */
export function whenStaged(fleet: Fleet, pages: number, act: () => void): void {
  let staged = 0;
  fleet.context.telemetry.on('pages.staged', (facts) => {
    const before = staged;
    staged += facts.pages;
    if (before < pages && staged >= pages) act();
  });
}

export const isCount = (path: string): boolean => path.includes('inlinecount');
export const countsOf = ({ twin }: Fleet): number => twin.requests.filter(({ path }) => isCount(path)).length;
export const pagesOf = ({ twin }: Fleet): number => twin.requests.filter(({ path }) => !isCount(path)).length;

export async function proofOf(fleet: Fleet, run: string): Promise<Proof | null> {
  return (await findRun(fleet.context, run)).proof;
}

/** The run is complete, and its table and its file hold exactly this. */
export async function expectCopy(fleet: Fleet, report: RunReport, wanted: Map<string, string>): Promise<void> {
  expect(report).toMatchObject({ state: 'complete', reason: null, records: wanted.size });
  expect(await tableContent(fleet.context.database.url, `oda/${SET}`)).toEqual(wanted);
  const file = report.exports.find(({ format }) => format === 'ndjson');
  expect(file?.records).toBe(wanted.size);
  expect(await ndjsonContent(file?.path ?? '')).toEqual(wanted);
}

/** Plans a run; what is asked from then on is in the twin’s log. */
export async function launch(fleet: Fleet, changes: Partial<HarvestRequest> = {}): Promise<string> {
  const run = await launchRun(fleet.context, fleet.request(`oda/${SET}`, { formats: ['ndjson'], ...changes }));
  fleet.twin.clearRequests();
  return run;
}

export const slicesOf = (fleet: Fleet, run: string) =>
  listSlices(fleet.context.database, run, ['pending', 'working', 'done', 'failed']);
