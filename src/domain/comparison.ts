import type { RunKind, Strategy } from './harvest-request.ts';
import type { RunReport } from './report.ts';
import type { Span } from './span.ts';

/** A range in which the copy is not what the source has. Of keys, or of positions for the strategy `offset`. */
export interface Difference extends Span {
  /** `count`: as many records as at the source are not there. `sample`: the page was fetched, and held against the copy. */
  readonly foundBy: 'count' | 'sample';
  /** Records that the source has in it. */
  readonly source: number;
  /** Records that the copy has in it; null for positions, which the copy does not know. */
  readonly copy: number | null;
  /** Records that the copy has not, that only the copy has, and whose content differs; null where they were only counted. */
  readonly lacking: number | null;
  readonly gone: number | null;
  readonly edited: number | null;
}

/** What of the content was held against the source. */
export interface Sampled {
  /** Stretches of about one page each; those whose count was found to differ are not among them. */
  readonly pages: number;
  readonly ofPages: number;
  readonly records: number;
  /** The smallest share of the pages that, if it differed, would have shown with a probability of 95 %. 0: all were compared. */
  readonly detectableShare: number;
}

/** How a copy compares with its source; `sheaf verify --json` prints it. Scripts rely on these names. */
export interface Comparison {
  readonly dataset: string;
  readonly state: 'same' | 'differs';
  readonly strategy: Strategy;
  /** `rejected`: at the source in a form that could not be taken, and known; counted neither for nor against the copy. */
  readonly counts: { readonly source: number | null; readonly copy: number; readonly rejected: number };
  /** Records that lie in no range of keys, because their key is none. */
  readonly unplaced: { readonly source: number; readonly copy: number };
  /** In key order. */
  readonly differences: readonly Difference[];
  /** The search for ranges was ended before it was through: those found may be wider than what differs in them. */
  readonly isBounded: boolean;
  readonly sampled: Sampled;
  readonly requests: number;
  readonly pageSize: number;
  /** The latest run that left the copy as the source was; null when there was none from this server. */
  readonly lastInStep: { readonly run: string; readonly kind: RunKind; readonly at: string } | null;
  /** What came of `--repair`; null where there was nothing to repair, or it was not asked for. */
  readonly repair: { readonly run: RunReport; readonly left: readonly Difference[] } | null;
}

const CONFIDENCE = 0.95;

/**
 * The smallest share of pages that so many, chosen by chance, would have shown to differ with a probability of 95 %: of n
 * pages chosen, a share p shows with at least 1 - (1 - p)^n.
 */
export function detectableShare(pages: number, ofPages: number): number {
  if (pages >= ofPages) return 0;
  return pages === 0 ? 1 : 1 - (1 - CONFIDENCE) ** (1 / pages);
}

/** The ranges of differences, in key order; those that touch are one. */
export function rangesOf(differences: readonly Span[]): Span[] {
  const ranges: Span[] = [];
  for (const { after, upto } of differences.toSorted((a, b) => a.after - b.after)) {
    const last = ranges.at(-1);
    if (last === undefined || after > last.upto) ranges.push({ after, upto });
    else ranges[ranges.length - 1] = { after: last.after, upto: Math.max(last.upto, upto) };
  }
  return ranges;
}

/**
 * `most` of so many places, chosen by chance: one of each stretch of equal length, so that they are spread over all.
 * `random` gives numbers from 0 to 1, without 1.
 */
export function spreadChoice(places: number, most: number, random: () => number): number[] {
  const chosen = Math.min(places, most);
  return Array.from({ length: chosen }, (_unused, stretch) => {
    const from = Math.floor((stretch * places) / chosen);
    const to = Math.floor(((stretch + 1) * places) / chosen);
    return from + Math.floor(random() * (to - from));
  });
}
