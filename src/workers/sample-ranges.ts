import { readHashes, readRejectedKeys } from '../db/queries/compare.ts';
import { type Difference, detectableShare, type Sampled, spreadChoice } from '../domain/comparison.ts';
import type { NormalisedRecord } from '../domain/record.ts';
import type { Span } from '../domain/span.ts';
import type { Fetched, Page, PagePosition } from '../sources/source.ts';
import type { Compared, CompareOptions } from './compare-copy.ts';

/** Ranges whose rows of the copy are read at once: each reading passes over all of the copy. */
const BATCH = 500;
/** Pages asked for at once. The gate paces them. */
const AT_ONCE = 4;

export interface Samples {
  readonly differences: readonly Difference[];
  readonly sampled: Sampled;
}

interface SampleOptions extends Pick<CompareOptions, 'samples' | 'random'> {
  readonly ranges: readonly Span[];
  readonly pageSize: number;
}

/** Fetches some of the ranges, chosen by chance and spread over all, and holds their records against the copy's. */
export async function sampleRanges(compared: Compared, options: SampleOptions): Promise<Samples> {
  const { ranges, samples, random, pageSize } = options;
  const chosen = spreadChoice(ranges.length, samples, random).flatMap((place) => ranges[place] ?? []);
  const { differences, records } = await compareRanges(compared, chosen, pageSize);
  const share = detectableShare(chosen.length, ranges.length);
  return {
    differences: differences.filter(({ lacking, gone, edited }) => (lacking ?? 0) + (gone ?? 0) + (edited ?? 0) > 0),
    sampled: { pages: chosen.length, ofPages: ranges.length, records, detectableShare: share },
  };
}

/** Fetches ranges of keys, and holds their records against the copy's. Says of every range what was found, also nothing. */
export async function compareRanges(
  compared: Compared,
  ranges: readonly Span[],
  pageSize: number,
): Promise<{ readonly differences: readonly Difference[]; readonly records: number }> {
  const differences: Difference[] = [];
  const rejected =
    ranges.length === 0 ? new Set<string>() : await readRejectedKeys(compared.database, compared.dataset);
  for (let from = 0; from < ranges.length; from += BATCH) {
    const batch = ranges.slice(from, from + BATCH);
    const copy = shareOut(batch, await readHashes(compared.database, compared.dataset, batch));
    for (let next = 0; next < batch.length; next += AT_ONCE) {
      const some = batch.slice(next, next + AT_ONCE);
      const fetched = await Promise.all(some.map((range) => fetchRange(compared, range, pageSize)));
      for (const [index, range] of some.entries()) {
        const came = fetched[index] ?? { records: [], rejects: new Set() };
        differences.push(compareRange(range, came, { copy: copy[next + index] ?? new Map(), rejected }));
      }
    }
  }
  return { differences, records: differences.reduce((sum, { source }) => sum + source, 0) };
}

/** Shares keys out to the ranges that they lie in; ranges are in key order, without overlap. */
function shareOut(ranges: readonly Span[], hashes: ReadonlyMap<string, string>): Map<string, string>[] {
  const shares = ranges.map(() => new Map<string, string>());
  for (const [key, hash] of hashes) {
    const value = Number(key);
    let [low, high] = [0, ranges.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value > (ranges[middle]?.upto ?? 0)) low = middle + 1;
      else high = middle;
    }
    shares[low]?.set(key, hash);
  }
  return shares;
}

interface Came {
  readonly records: readonly Pick<NormalisedRecord, 'key' | 'hash'>[];
  /** Keys of rows that could not be taken now. */
  readonly rejects: ReadonlySet<string>;
}

async function fetchRange({ source, fetch, query }: Compared, span: Span, pageSize: number): Promise<Came> {
  const records: Pick<NormalisedRecord, 'key' | 'hash'>[] = [];
  const rejects = new Set<string>();
  for (let cursor: number | null = span.after; cursor !== null && cursor < span.upto; ) {
    const position: PagePosition = { strategy: 'keyset', span, cursor, pageSize };
    const read = (body: Buffer): Page => source.readPage(query, position, body);
    const path = source.pagePath(query, position);
    const { value }: Fetched<Page> = await fetch(path, read, { kind: query.entity.name });
    for (const { key, hash } of value.records) records.push({ key, hash });
    for (const { key } of value.rejects) if (key !== null) rejects.add(key);
    cursor = value.next;
  }
  return { records, rejects };
}

interface Known {
  readonly copy: ReadonlyMap<string, string>;
  readonly rejected: ReadonlySet<string>;
}

function compareRange({ after, upto }: Span, { records, rejects }: Came, { copy, rejected }: Known): Difference {
  const came = new Set(records.map(({ key }) => key));
  const lacking = records.filter(({ key }) => !copy.has(key) && !rejected.has(key)).length;
  const edited = records.filter(
    ({ key, hash }) => copy.has(key) && copy.get(key) !== hash && !rejected.has(key),
  ).length;
  const gone = [...copy.keys()].filter((key) => !came.has(key) && !rejects.has(key)).length;
  return { after, upto, foundBy: 'sample', source: records.length, copy: copy.size, lacking, gone, edited };
}
