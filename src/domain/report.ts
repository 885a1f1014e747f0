import type { StoredError } from './errors.ts';
import type { ExportFormat } from './harvest-request.ts';
import type { RunState } from './run.ts';

export interface MergeCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly deleted: number;
}

/** What verification found; stored with the run. A run is `complete` only when `holds`. */
export interface Proof {
  readonly holds: boolean;
  /** What could not be proved, for a person; null when the proof holds. */
  readonly reason: string | null;
  readonly slices: number;
  readonly failedSlices: number;
  /** Slices that have not settled; none, unless something is badly wrong. */
  readonly openSlices: number;
  /** True when the slices cover the run's span exactly. */
  readonly isCovered: boolean;
  /** Rows staged, by the staging table and by the ledger. */
  readonly stagedRows: number;
  readonly ledgerRows: number;
  readonly distinctKeys: number;
  readonly rejects: number;
  /** What the source counted at planning, and counts now within what the run covers; null when it does not count. */
  readonly countBefore: number | null;
  readonly countAfter: number | null;
  /** Up to which key the proof speaks: what the source has beyond it came later. Null for a walk by position. */
  readonly upto: number | null;
  /** How often, in this generation, slices were fetched once more because the source had changed, and how many in all. */
  readonly rereads: number;
  readonly rereadSlices: number;
  /** True when, in this generation, the run was made to cover what had come beyond its ends. */
  readonly isExtended: boolean;
}

export interface ExportedFile {
  readonly format: ExportFormat;
  readonly path: string;
  readonly records: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** What `--json` prints for a run. Scripts rely on these names. */
export interface RunReport extends MergeCounts {
  readonly run: string;
  readonly dataset: string;
  readonly state: RunState;
  readonly reason: string | null;
  /** What the source said there was; null when it does not count. */
  readonly expected: number | null;
  readonly records: number;
  readonly pages: number;
  readonly requests: number;
  readonly retries: number;
  readonly rejected: number;
  readonly durationMs: number;
  readonly exports: readonly ExportedFile[];
  readonly error: StoredError | null;
}

const EXIT_CODES: Readonly<Record<RunState, number>> = {
  complete: 0,
  failed: 1,
  partial: 3,
  cancelled: 4,
  planning: 0,
  fetching: 0,
  paused: 0,
  finalising: 0,
};

/** 0 complete (or handed over), 1 failed, 3 partial, 4 cancelled; of several runs the worst that asks for action. */
export function exitCodeOf(states: readonly RunState[]): number {
  const codes = states.map((state) => EXIT_CODES[state]);
  return [1, 4, 3].find((code) => codes.includes(code)) ?? 0;
}
