import type { Database } from '../../../db/database.ts';
import { listAudit } from '../../../db/queries/audit.ts';
import { listDrift } from '../../../db/queries/drift.ts';
import { listExports } from '../../../db/queries/exports.ts';
import { type GateState, readGate } from '../../../db/queries/gates.ts';
import { countRejects, type RejectCount } from '../../../db/queries/rejects.ts';
import { type ChartPoint, readSamples } from '../../../db/queries/run-samples.ts';
import { getRun } from '../../../db/queries/runs.ts';
import {
  type ErrorGroup,
  groupErrors,
  type Holder,
  listHolders,
  readSliceMap,
  type SliceMap,
} from '../../../db/queries/slice-map.ts';
import { listLiveWorkers } from '../../../db/queries/workers.ts';
import type { AuditRow, RunRow } from '../../../db/schema.ts';
import type { Drift } from '../../../domain/drift.ts';
import type { ExportedFile } from '../../../domain/report.ts';
import { hasEnded, stillExpected } from '../../../domain/run.ts';
import type { Pace, Progress } from '../progress.ts';

const DEEDS_SHOWN = 20;
/** How many points a chart has; more could not be told apart. */
const CHART_POINTS = 120;
/** Workers have told of what they did by then. */
const TOLD_AFTER_MS = 2_500;

/** What changes from second to second. */
export interface RunFigures {
  readonly run: RunRow;
  readonly map: SliceMap;
  readonly progress: Progress;
}

/** What is looked at less often, because it changes less often and costs more. */
export interface RunDetails {
  readonly gate: GateState;
  readonly errors: readonly ErrorGroup[];
  readonly holders: readonly Holder[];
  /** Workers of the fleet that are alive, whatever they hold. */
  readonly liveWorkers: number;
  readonly rejects: readonly RejectCount[];
  readonly exports: readonly ExportedFile[];
  /** Who did what to it, the newest first. */
  readonly deeds: readonly AuditRow[];
  readonly drift: readonly Drift[];
  /** What the run has done over time; without the stretch that still goes on. */
  readonly points: readonly ChartPoint[];
}

export interface RunView extends RunFigures, RunDetails {
  readonly now: Date;
}

/** Throws a UsageError for a run that is not there. */
export async function gatherFigures(database: Database, id: string, pace: Pace): Promise<RunFigures> {
  const [row, map] = await Promise.all([getRun(database, id), readSliceMap(database, id)]);
  const run = { ...row, expected: stillExpected(row, map.records + map.rejects) };
  const settled = map.states.replaceAll(/[^df]/g, '').length;
  const progress = pace.measure({ ...run, ...map, slices: map.states.length, settled }, Date.now());
  return { run, map, progress };
}

export async function gatherDetails(database: Database, { run, map }: RunFigures): Promise<RunDetails> {
  const [gate, errors, holders, live, rejects, exports, deeds, drift, points] = await Promise.all([
    readGate(database, run.request.dataset.source),
    map.errors === 0 ? [] : groupErrors(database, run.id),
    map.states.includes('w') ? listHolders(database, run.id) : [],
    hasEnded(run.state) ? [] : listLiveWorkers(database),
    map.rejects === 0 && run.expand === null ? [] : countRejects(database, { runs: [run.id], reason: null }),
    listExports(database, { run: run.id, generation: run.generation }),
    listAudit(database, { run: run.id, limit: DEEDS_SHOWN }),
    listDrift(database, run.id),
    readSamples(database, run.id, CHART_POINTS),
  ]);
  return {
    gate,
    errors,
    holders,
    liveWorkers: live.length,
    rejects,
    exports,
    deeds,
    drift,
    points: hasEnded(run.state) ? points : withoutCurrent(points),
  };
}

/**
 * A stretch that goes on, or of which workers have not told yet, would look like a fall. The first is kept: it is better
 * than nothing.
 */
function withoutCurrent(points: readonly ChartPoint[]): readonly ChartPoint[] {
  const isTold = ({ at, seconds }: ChartPoint) => at.getTime() + seconds * 1_000 + TOLD_AFTER_MS < Date.now();
  const told = points.filter(isTold);
  return told.length === 0 ? points.slice(0, 1) : told;
}
