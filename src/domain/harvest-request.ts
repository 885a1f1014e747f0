import type { Dataset } from './dataset.ts';
import type { DriftPolicy } from './drift.ts';
import { UsageError } from './errors.ts';
import type { Entity } from './record.ts';
import type { RelationForm } from './relations.ts';
import type { Span } from './span.ts';
import { parseLocalTime, type TimeWindow } from './time-window.ts';

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

export const kinds = ['sweep', 'step'] as const;
/** `sweep`: all that the request selects. `step`: of that, only what has changed since the last complete run of the same. */
export type Kind = (typeof kinds)[number];

export const runKinds = [...kinds, 'keys-only', 'repair'] as const;
/**
 * What a run is. `keys-only`: a sweep over the keys and timestamps, without content. `repair`: over ranges of keys in
 * which the copy was found to differ from the source.
 */
export type RunKind = (typeof runKinds)[number];

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
  /** A step without a watermark to go on from becomes a sweep; `RunRow.timeWindow` says what the run is. */
  readonly mode: Kind;
  /** Of a step: from when on, by the source's clock, instead of from the watermark; see `checkSince`. */
  readonly since: string | null;
  readonly onDrift: DriftPolicy;
  /** Of a sweep: asks for keys and timestamps only, which is enough to find what is gone. Requests of older versions do not say. */
  readonly keysOnly?: boolean;
  /** Paths of the relations to follow, as `tidyPaths` spells them. Left out, or null: none. */
  readonly expand?: readonly string[] | null;
  /** How files show what comes by them. Left out: `flat`. */
  readonly relations?: RelationForm;
}

/** What a request asks for where it says nothing else: all of a dataset, into the table and into no file. */
export const REQUEST_DEFAULTS = {
  filter: null,
  select: null,
  maxRecords: null,
  strategy: null,
  formats: [],
  shape: 'source',
  onFailure: 'stop',
  maxDeletes: null,
  mode: 'sweep',
  since: null,
  onDrift: 'accept',
  keysOnly: false,
  expand: null,
  relations: 'flat',
} as const satisfies Omit<HarvestRequest, 'dataset' | 'out'>;

/** A source that is half empty is more likely ill than emptied. */
export const DEFAULT_MAX_DELETES = 0.2;

/** What decides what a run can see. */
interface Sight {
  readonly request: Selection;
  /** Null for a sweep. */
  readonly timeWindow: TimeWindow | null;
}

/** Whether a run is over all records, of the whole dataset or of its ranges: what it does not see there is not there. */
export function seesAll({ request, timeWindow }: Sight): boolean {
  return timeWindow === null && request.filter === null && request.select === null && request.maxRecords === null;
}

interface Nature {
  readonly request: Pick<HarvestRequest, 'keysOnly'>;
  readonly timeWindow: TimeWindow | null;
  /** Of a repair; null for any other run. */
  readonly ranges: readonly Span[] | null;
}

export function kindOf({ request, timeWindow, ranges }: Nature): RunKind {
  if (ranges !== null) return 'repair';
  if (timeWindow !== null) return 'step';
  return request.keysOnly ? 'keys-only' : 'sweep';
}

/** What the source is asked for: without any field selected, the key and the timestamp come along all the same. */
export function selectionOf({
  filter,
  select,
  maxRecords,
  keysOnly,
}: Selection & Pick<HarvestRequest, 'keysOnly'>): Selection {
  return { filter, maxRecords, select: keysOnly ? [] : select };
}

/**
 * Throws a UsageError for a sweep by keys that would not be one over the whole dataset, that is to write files, or that the
 * source cannot be asked for.
 */
export function checkKeysOnly(
  source: { readonly name: string; readonly canSelect: boolean },
  request: HarvestRequest,
): void {
  if (!request.keysOnly) return;
  if (!source.canSelect)
    throw new UsageError(
      `The source ${source.name} cannot be asked for some fields only, so a sweep by keys would cost what a sweep costs: leave --keys-only out.`,
      { code: 'cannot-select', facts: { source: source.name } },
    );
  const misfit = MISFITS.find(({ is }) => is(request));
  if (misfit === undefined) return;
  throw new UsageError(
    `A sweep by keys (--keys-only) looks for records that are gone, so it is over the whole dataset and brings no content: ${misfit.text}`,
    { code: 'bad-keys-only', facts: { dataset: `${request.dataset.source}/${request.dataset.entity}` } },
  );
}

const MISFITS: readonly { readonly is: (request: HarvestRequest) => boolean; readonly text: string }[] = [
  { is: ({ mode, since }) => mode === 'step' || since !== null, text: 'it cannot be a step.' },
  { is: ({ filter }) => filter !== null, text: 'leave --filter out.' },
  { is: ({ select }) => select !== null, text: 'leave --select out.' },
  { is: ({ maxRecords }) => maxRecords !== null, text: 'leave --max-records out.' },
  { is: ({ expand }) => (expand ?? []).length > 0, text: 'leave --expand out.' },
  { is: ({ formats }) => formats.length > 0, text: 'it writes no files; ask for no format.' },
];

/** Throws a UsageError for a step over an entity that does not say when its records change, or since no time. */
export function checkMode(entity: Entity, { mode, since }: Pick<HarvestRequest, 'mode' | 'since'>): void {
  if (mode !== 'step') {
    if ((since ?? null) === null) return; // requests of older versions have neither
    throw new UsageError('A sweep harvests everything: only a step is since a time.', { code: 'bad-since' });
  }
  if (since !== null) checkSince(since);
  if (entity.timestampField !== null) return;
  throw new UsageError(
    `${entity.name} does not say when its records change, so there is nothing to go on from: harvest it with --sweep.`,
    { code: 'no-timestamp', facts: { entity: entity.name } },
  );
}

/** Since when a step is to look, as a whole second. Throws a UsageError for what is not a time by the source's clock. */
export function checkSince(text: string): string {
  const since = parseLocalTime(text);
  if (since !== null) return since;
  throw new UsageError(
    `"${text}" is not a time. Give it by the source's own clock and without a zone, as 2025-01-31 or 2025-01-31T12:00:00.`,
    { code: 'bad-since', facts: { asked: text } },
  );
}
