import { z } from 'zod';
import { drift } from './drift.ts';
import { exportFormats, runKinds } from './harvest-request.ts';
import { type RunState, runStates } from './run.ts';
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

const count = z.int().min(0);

/** An error as the ledger keeps it; see `StoredError`. */
export const storedError = z
  .object({
    code: z.string().meta({ description: 'Stable; docs/errors.md lists them all.', examples: ['http-503'] }),
    message: z.string().meta({ description: 'What happened, where, and what to do.' }),
    facts: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]).optional())
      .meta({ description: 'What programs may rely on.' }),
  })
  .readonly()
  .meta({ id: 'StoredError' });

export const exportedFile = z
  .object({
    format: z.enum(exportFormats),
    path: z.string().meta({ description: 'Where the machine that wrote it has it.' }),
    records: count,
    bytes: count,
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    dataset: z.string().meta({ description: "Whose records it holds: the run's own, or those that came nested." }),
  })
  .readonly()
  .meta({ id: 'ExportedFile' });
export type ExportedFile = z.infer<typeof exportedFile>;

const relatedReport = z
  .object({
    dataset: z.string().meta({ examples: ['oda/SagAktør'] }),
    records: count.meta({ description: 'Different records that came, in however many parents.' }),
    inserted: count,
    updated: count,
    unchanged: count,
    rejected: count,
  })
  .readonly()
  .meta({ id: 'RelatedRecords' });
export type RelatedReport = z.infer<typeof relatedReport>;

/** What `--json` prints for a run, and the API says of it. Scripts rely on these names. */
export const runReport = z.object({
  run: z.string().meta({ examples: ['20261121-153012-x7k2'] }),
  dataset: z.string().meta({ examples: ['oda/Sag'] }),
  kind: z.enum(runKinds).meta({
    description:
      'Over all that was asked for (`sweep`), over what has changed (`step`), over all keys without content (`keys-only`), or over what was found to differ (`repair`).',
  }),
  state: z.enum(runStates),
  reason: z.string().nullable().meta({ description: 'Why it is not complete; null when there is nothing to say.' }),
  expected: count.nullable().meta({ description: 'What the source said there was; null when it does not count.' }),
  records: count,
  pages: count,
  requests: count,
  retries: count,
  inserted: count,
  updated: count,
  unchanged: count,
  deleted: count,
  rekeyed: count.meta({
    description: 'Records that went and came back under another key: neither inserted nor deleted.',
  }),
  rejected: count,
  deletesWithheld: z.string().nullable().meta({
    description:
      'Why records that a sweep did not see were not marked as deleted; null when they were, or all were seen.',
  }),
  ahead: z.object({ added: count, changed: count }).nullable().meta({
    description:
      'Of a keys-only sweep: records that the source has and the copy has not (`added`), and records whose timestamp is not the copy’s (`changed`). Null for any other run.',
  }),
  durationMs: count,
  exports: z.array(exportedFile).readonly(),
  related: z.array(relatedReport).readonly().meta({
    description: 'What came of records of other datasets that came nested (`expand`); empty where none did.',
  }),
  drift: z.array(drift).readonly().meta({
    description:
      "In what fields differ from before, or from the source's metadata; each kind once a field, 200 at most.",
  }),
  error: storedError.nullable(),
});
export type RunReport = Readonly<z.infer<typeof runReport>>;

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
