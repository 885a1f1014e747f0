import type { NextLinkPolicy } from './behaviour.ts';
import type { Parameter } from './query-options.ts';

/** What decides about a page's next link; `address` is its own, without the query. */
export type PageEnd = {
  readonly address: string;
  readonly parameters: readonly Parameter[];
  readonly top: number | null;
  readonly skip: number;
  readonly cap: number;
  readonly hasMore: boolean;
};

/**
 * The address of the next page, or null where none stands.
 * As the framework builds it: the query is carried forward, `$top` lowered by the rows that are served, `$skip` put last.
 */
export function nextLinkOf(policy: NextLinkPolicy, page: PageEnd): string | null {
  const isCut = page.top === null || page.top > page.cap;
  if (policy === 'never' || !page.hasMore || !(isCut || policy === 'always')) return null;
  const step = Math.min(page.top ?? page.cap, page.cap);
  const carried = page.parameters
    .filter(({ name }) => name !== '$skip')
    .map((parameter) => (isCut && policy !== 'loop' ? lowerTop(parameter, step) : parameter))
    .map(({ name, value }) => `${encodeName(name)}=${encodeURIComponent(value)}`);
  const skip = policy === 'loop' ? page.skip : page.skip + step;
  return `${page.address}?${[...carried, `$skip=${skip}`].join('&')}`;
}

function lowerTop(parameter: Parameter, step: number): Parameter {
  return parameter.name === '$top' ? { name: '$top', value: String(Number(parameter.value) - step) } : parameter;
}

function encodeName(name: string): string {
  return name.startsWith('$') ? '$' + encodeURIComponent(name.slice(1)) : encodeURIComponent(name);
}
