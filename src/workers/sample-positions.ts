import { readHashesOf, readRejectedKeys } from '../db/queries/compare.ts';
import { type Difference, detectableShare, spreadChoice } from '../domain/comparison.ts';
import { cutSpan } from '../domain/span.ts';
import type { Survey } from '../sources/source.ts';
import type { Compared, CompareOptions } from './compare-copy.ts';
import type { Samples } from './sample-ranges.ts';

interface PositionOptions extends Pick<CompareOptions, 'samples' | 'random'> {
  readonly survey: Survey;
}

/** Fetches some pages by position, and holds their records against the copy's. What only the copy has cannot be seen. */
export async function samplePositions(
  compared: Compared,
  { survey, samples, random }: PositionOptions,
): Promise<Samples & { readonly rejected: number }> {
  const { span, pageSize } = survey;
  const pages = cutSpan(span, Math.ceil((span.upto - span.after) / pageSize));
  const chosen = spreadChoice(pages.length, samples, random).flatMap((place) => pages[place] ?? []);
  const rejected = await readRejectedKeys(compared.database, compared.dataset);
  const differences: Difference[] = [];
  let records = 0;
  for (const page of chosen) {
    const difference = await comparePage(compared, { page, pageSize, rejected });
    records += difference.source;
    if ((difference.lacking ?? 0) + (difference.edited ?? 0) > 0) differences.push(difference);
  }
  const share = detectableShare(chosen.length, pages.length);
  const sampled = { pages: chosen.length, ofPages: pages.length, records, detectableShare: share };
  const live = await readHashesOf(compared.database, compared.dataset, [...rejected]);
  return { differences, sampled, rejected: rejected.size - live.size };
}

interface PageToCompare {
  readonly page: Survey['span'];
  readonly pageSize: number;
  readonly rejected: ReadonlySet<string>;
}

async function comparePage(
  { source, fetch, query, database, dataset }: Compared,
  { page, pageSize, rejected }: PageToCompare,
): Promise<Difference> {
  const position = { strategy: 'offset', span: page, cursor: page.after, pageSize } as const;
  const read = (body: Buffer) => source.readPage(query, position, body);
  const { value } = await fetch(source.pagePath(query, position), read, { kind: query.entity.name });
  const keys = value.records.map(({ key }) => key);
  const copy = await readHashesOf(database, dataset, keys);
  const lacking = keys.filter((key) => !copy.has(key) && !rejected.has(key)).length;
  const edited = value.records.filter(
    ({ key, hash }) => copy.has(key) && copy.get(key) !== hash && !rejected.has(key),
  ).length;
  return { ...page, foundBy: 'sample', source: keys.length, copy: null, lacking, gone: null, edited };
}
