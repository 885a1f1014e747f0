import type { Dataset } from './dataset.ts';

export const strategies = ['keyset', 'offset'] as const;
/** How a source's pages are walked; see docs/architecture.md. */
export type Strategy = (typeof strategies)[number];

export const failurePolicies = ['stop', 'partial'] as const;
/** What a failed slice means: `stop` ends the run and publishes nothing, `partial` publishes what there is and says so. */
export type FailurePolicy = (typeof failurePolicies)[number];

export const exportFormats = ['ndjson', 'json', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export const shapes = ['source', 'canonical'] as const;
/** `source`: the record as it came. `canonical`: Sheaf's common fields of that entity. */
export type Shape = (typeof shapes)[number];

/** What to ask the source for: the part of a request that decides which records come back. */
export interface Selection {
  /** In the source's own filter language; null for everything. */
  readonly filter: string | null;
  /** Fields to ask for; null for all. */
  readonly select: readonly string[] | null;
  /** Stop after this many records in key order; null for no limit. */
  readonly maxRecords: number | null;
}

/** One harvest of one dataset, as it was asked for; stored with the run. */
export interface HarvestRequest extends Selection {
  readonly dataset: Dataset;
  /** Null: the source chooses the best one it can. */
  readonly strategy: Strategy | null;
  readonly formats: readonly ExportFormat[];
  readonly shape: Shape;
  /** Absolute directory that exports are written below. */
  readonly out: string;
  readonly onFailure: FailurePolicy;
  /** The share of a dataset's records, 0 to 1, that a sweep may mark as deleted at once; null for the default. */
  readonly maxDeletes: number | null;
}

/** A source that is half empty is more likely ill than emptied. */
export const DEFAULT_MAX_DELETES = 0.2;

/** Whether a run is over the whole dataset: what it does not see is not there. */
export function isSweep({ filter, select, maxRecords }: Selection): boolean {
  return filter === null && select === null && maxRecords === null;
}
