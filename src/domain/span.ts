/**
 * A half-open interval `(after, upto]` of whole numbers: keys for the strategy `keyset`, row positions for `offset`.
 * Both strategies are planned, walked, split and checked for gaps with the same arithmetic.
 */
export interface Span {
  readonly after: number;
  readonly upto: number;
}

/** Cuts a span into at most `parts` neighbouring spans of nearly equal width, without a gap. Empty spans give none. */
export function cutSpan({ after, upto }: Span, parts: number): Span[] {
  const width = upto - after;
  const count = Math.min(Math.max(1, Math.floor(parts)), width);
  const spans: Span[] = [];
  for (let part = 0; part < count; part++) {
    const from = after + Math.floor((width / count) * part);
    const to = part === count - 1 ? upto : after + Math.floor((width / count) * (part + 1));
    if (to > from) spans.push({ after: from, upto: to });
  }
  return spans;
}

/** Whether `parts` cover all of `ranges` exactly, and nothing else. Ranges are in order, and do not touch. */
export function coversRanges(ranges: readonly Span[], parts: readonly Span[]): boolean {
  const between = ranges.slice(1).map(({ after }, index) => ({ after: ranges[index]?.upto ?? after, upto: after }));
  return findGap(hullOf(ranges), [...parts, ...between]) === null;
}

/** From the beginning of the first to the end of the last; empty where there is none. */
export function hullOf(ranges: readonly Span[]): Span {
  return { after: ranges.at(0)?.after ?? 0, upto: ranges.at(-1)?.upto ?? 0 };
}

/** The first gap or overlap that keeps `parts` from covering `whole` exactly, or null when they do. */
export function findGap(whole: Span, parts: readonly Span[]): Span | null {
  let reached = whole.after;
  for (const part of parts.toSorted((a, b) => a.after - b.after)) {
    if (part.after !== reached) return { after: Math.min(reached, part.after), upto: Math.max(reached, part.after) };
    reached = part.upto;
  }
  return reached === whole.upto ? null : { after: Math.min(reached, whole.upto), upto: Math.max(reached, whole.upto) };
}
