import { BadQuery } from './bad-query.ts';
import { type Expression, parseFilter, parsePath } from './filter-parser.ts';

export type OrderTerm = { readonly path: Expression; readonly text: string; readonly isDescending: boolean };

/** The paths to expand, as a tree: `SagAktør/Aktør` is SagAktør holding Aktør. */
export type ExpandTree = ReadonlyMap<string, ExpandTree>;

export type Query = {
  readonly filter: Expression | null;
  readonly orderBy: readonly OrderTerm[];
  /** Null: as many as the cap allows. */
  readonly top: number | null;
  readonly skip: number;
  /** Null: every field. */
  readonly select: readonly string[] | null;
  readonly expand: ExpandTree;
  readonly wantsCount: boolean;
};

/** The parameters of a URL in their order, decoded. */
export type Parameter = { readonly name: string; readonly value: string };

const knownOptions: ReadonlySet<string> = new Set([
  '$filter',
  '$orderby',
  '$top',
  '$skip',
  '$select',
  '$expand',
  '$inlinecount',
  '$format',
]);

const deepestExpand = 2;

/** Splits the part of a URL behind the question mark. Throws BadQuery on a broken percent sign. */
export function parseParameters(search: string): Parameter[] {
  return search
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const [name = '', ...rest] = part.split('=');
      return { name: decode(name), value: decode(rest.join('=')) };
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new BadQuery('option', `Not percent-encoded: ${text}`);
  }
}

/** Reads the query options. Throws BadQuery on an unknown option that starts with `$`, a repeated one, or a bad value. */
export function parseQuery(parameters: readonly Parameter[]): Query {
  const options = new Map<string, string>();
  for (const { name, value } of parameters) {
    if (!name.startsWith('$')) continue;
    if (!knownOptions.has(name) || options.has(name))
      throw new BadQuery('option', `The option ${name} is not supported.`);
    options.set(name, value);
  }
  const filter = options.get('$filter');
  return {
    filter: filter === undefined ? null : parseFilter(filter),
    orderBy: parseOrderBy(options.get('$orderby')),
    top: parseCount('$top', options.get('$top')),
    skip: parseCount('$skip', options.get('$skip')) ?? 0,
    select: parseSelect(options.get('$select')),
    expand: parseExpand(options.get('$expand')),
    wantsCount: parseInlineCount(options.get('$inlinecount')),
  };
}

function parseCount(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,10}$/.test(text.trim())) throw new BadQuery('option', `${name} must be a number from 0, not "${text}".`);
  return Number(text);
}

function parseInlineCount(text: string | undefined): boolean {
  if (text === undefined || text === 'none') return false;
  if (text === 'allpages') return true;
  throw new BadQuery('option', `$inlinecount must be allpages or none, not "${text}".`);
}

function parseOrderBy(text: string | undefined): OrderTerm[] {
  if (text === undefined) return [];
  return text.split(',').map((term) => {
    const parts = /^\s*(?<path>\S+)(?:\s+(?<direction>asc|desc))?\s*$/.exec(term)?.groups;
    if (parts?.['path'] === undefined) throw new BadQuery('syntax', `Cannot order by "${term}".`);
    return { path: parsePath(parts['path']), text: parts['path'], isDescending: parts['direction'] === 'desc' };
  });
}

function parseSelect(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null;
  const fields = text.split(',').map((field) => field.trim());
  if (fields.includes('')) throw new BadQuery('syntax', 'An empty name in $select.');
  return fields.includes('*') ? null : fields;
}

function parseExpand(text: string | undefined): ExpandTree {
  const tree = new Map<string, ExpandTree>();
  for (const path of text === undefined ? [] : text.split(',')) {
    const names = path.trim().split('/');
    if (names.length > deepestExpand) throw new BadQuery('option', `$expand goes ${deepestExpand} levels deep.`);
    if (names.includes('')) throw new BadQuery('syntax', 'An empty name in $expand.');
    addPath(tree, names);
  }
  return tree;
}

function addPath(tree: Map<string, ExpandTree>, names: readonly string[]): void {
  let level = tree;
  for (const name of names) {
    const next = new Map(level.get(name) ?? []);
    level.set(name, next);
    level = next;
  }
}
