import type { TimeWindow } from './time-window.ts';

export interface MergeCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly deleted: number;
  /** Records that went and came back under another key, with the same content: neither inserted nor deleted. */
  readonly rekeyed: number;
  /** Of each dataset whose records came nested; left out where no relations were followed. */
  readonly related?: readonly RelatedCounts[];
}

/** What came of records that came nested in others: they are never deleted by that. */
export interface RelatedCounts {
  readonly dataset: string;
  readonly records: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
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
  /** When the records that it speaks of were last changed; null for a sweep: it speaks of all. */
  readonly window: TimeWindow | null;
  /** Records in the table that a sweep did not see; 0 for a run over a part, which cannot tell. */
  readonly missing: number;
  /** Why they were not marked as deleted, for a person; null when they were, or there is none. */
  readonly deletesWithheld: string | null;
  /** Of a keys-only sweep: what the source has and the copy has not. Null, or left out, for any other run. */
  readonly ahead?: Ahead | null;
}

/** What a look at keys and timestamps alone can tell that the copy lacks. */
export interface Ahead {
  /** Records that the copy does not have, or has marked as deleted. */
  readonly added: number;
  /** Records whose timestamp is not the copy's. */
  readonly changed: number;
}

/** Whether a run may be called complete: all that the source has is there, and what it no longer has is marked so. */
export function isComplete({ holds, deletesWithheld }: Proof): boolean {
  return holds && (deletesWithheld ?? null) === null; // proofs of older versions do not speak of deletes
}

/** Whether all that the source has is there, and only what it no longer has is not marked so: going on changes nothing. */
export function isOnlyWithheld({ holds, deletesWithheld }: Proof): boolean {
  return holds && (deletesWithheld ?? null) !== null;
}

/** Why a run is partial, for a person; null when it is not. */
export function whyPartial({ reason, deletesWithheld }: Proof): string | null {
  return reason ?? deletesWithheld ?? null;
}
