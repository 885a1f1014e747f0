import type { HarvestRequest, RunKind } from './harvest-request.ts';

type Asked = Pick<HarvestRequest, 'filter' | 'select' | 'expand' | 'maxRecords'>;

/** What a request leaves out of a dataset, or brings besides, in a few words; empty for all of it and nothing else. */
export function describeLimits({ filter, select, expand, maxRecords }: Asked): string {
  return [
    ...(filter === null ? [] : [`filter ${filter}`]),
    ...(select === null ? [] : [`only ${select.join(',')}`]),
    ...(expand?.length ? [`with ${expand.join(',')}`] : []),
    ...(maxRecords === null ? [] : [`at most ${maxRecords} records`]),
  ].join(', ');
}

type Described = Asked & Pick<HarvestRequest, 'mode' | 'since' | 'keysOnly' | 'formats' | 'relations'>;

/** A request in a few words, for lists: what is harvested, and into which files. */
export function describeRequest(request: Described): string {
  const { formats, expand, relations } = request;
  const form = expand?.length && relations === 'nested' ? ' (nested)' : '';
  const files = formats.length === 0 ? [] : [`files ${formats.join(',')}${form}`];
  return [kindText(request), describeLimits(request), ...files].filter((part) => part !== '').join(', ');
}

function kindText({ mode, since, keysOnly }: Described): string {
  if (mode === 'step') return (since ?? null) === null ? 'step' : `step since ${since}`; // older requests have no `since`
  return KIND_WORDS[keysOnly ? 'keys-only' : 'sweep'];
}

/** What a run must have in common with a step for the step to go on from it, beside the dataset; empty where that is all. */
export function describeSame({ filter, select, expand }: Omit<Asked, 'maxRecords'>): string {
  const parts = [
    ...(filter === null ? [] : ['this filter']),
    ...(select === null ? [] : ['these fields']),
    ...(expand?.length ? ['these relations'] : []),
  ];
  const [last] = parts.slice(-1);
  if (last === undefined) return '';
  return parts.length === 1 ? ` with ${last}` : ` with ${parts.slice(0, -1).join(', ')} and ${last}`;
}

/** The kinds of runs as a person calls them. */
export const KIND_WORDS: Readonly<Record<RunKind, string>> = {
  sweep: 'sweep',
  step: 'step',
  'keys-only': 'keys-only sweep',
  repair: 'repair',
};
