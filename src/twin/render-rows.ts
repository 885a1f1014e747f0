import { BadQuery } from './bad-query.ts';
import { type Destination, destinationOf } from './navigate.ts';
import type { ExpandTree, Query } from './query-options.ts';
import { joinMembers, type RawMember, rawMembers } from './raw-json.ts';
import { type EntitySchema, navigationOf, propertyOf } from './schema.ts';
import { rowTextAt, type Table } from './table.ts';
import type { TwinData } from './twin-data.ts';

export type RenderContext = {
  readonly data: TwinData;
  /** The service's address with its trailing slash. */
  readonly baseUrl: string;
  /** The most rows of an expanded collection. */
  readonly cap: number;
};

type Render = (index: number) => string;

/**
 * A function from a row's index to its JSON text: the stored bytes, or with `$select` and `$expand` their parts.
 * Throws BadQuery on names the set does not have.
 */
export function rowRenderer(
  context: RenderContext,
  from: { schema: EntitySchema; table: Table | undefined },
  query: Pick<Query, 'select' | 'expand'>,
): Render {
  const { schema, table } = from;
  const selected = selectedFields(schema, query.select);
  const expansions = [...query.expand].flatMap(([name, tree]) => {
    const select = selectWithin(query.select, name);
    const expansion = expansionOf(context, from, { name, tree, select: select ?? null });
    return select === undefined ? [] : [expansion];
  });
  const textOf: Render = (index) => (table && rowTextAt(table, index)) ?? 'null';
  if (selected === null && expansions.length === 0) return textOf;
  return (index) => {
    const members = rawMembers(textOf(index)).filter(({ name }) => selected === null || selected.has(name));
    return joinMembers([...expansions.flatMap((expand) => expand(index)), ...members]);
  };
}

/** Names in `$select` may be fields, navigations, or paths that begin with a navigation. */
function selectedFields(schema: EntitySchema, select: readonly string[] | null): ReadonlySet<string> | null {
  for (const name of select ?? []) {
    const [first = ''] = name.split('/');
    const isField = first === name && propertyOf(schema, name) !== undefined;
    if (!isField && navigationOf(schema, first) === undefined) {
      throw new BadQuery('option', `${schema.name} has no field "${name}".`);
    }
  }
  return select === null ? null : new Set(select);
}

/**
 * What `$select` leaves of an expanded navigation: null everything, undefined nothing at all.
 * In version 3 an expansion that a `$select` does not mention is not sent.
 */
function selectWithin(select: readonly string[] | null, navigation: string): readonly string[] | null | undefined {
  if (select === null || select.includes(navigation)) return null;
  const within = select.filter((name) => name.startsWith(`${navigation}/`));
  return within.length === 0 ? undefined : within.map((name) => name.slice(navigation.length + 1));
}

function expansionOf(
  context: RenderContext,
  from: { schema: EntitySchema; table: Table | undefined },
  step: { name: string; tree: ExpandTree; select: readonly string[] | null },
): (index: number) => RawMember[] {
  const destination = destinationOf(context.data, from, step.name);
  if (destination === undefined) throw new BadQuery('option', `${from.schema.name} has no navigation "${step.name}".`);
  const render = rowRenderer(context, destination, { select: step.select, expand: step.tree });
  if (!destination.navigation.isMany) {
    return (index) => [{ name: step.name, value: destination.rowsOf(index).map(render)[0] ?? 'null' }];
  }
  return (index) => expandCollection(context, { from, destination, render, index });
}

function expandCollection(
  context: RenderContext,
  step: {
    from: { schema: EntitySchema; table: Table | undefined };
    destination: Destination;
    render: Render;
    index: number;
  },
): RawMember[] {
  const name = step.destination.navigation.name;
  const rows = step.destination.rowsOf(step.index);
  const value = '[' + rows.slice(0, context.cap).map(step.render).join(',') + ']';
  const members = [{ name, value }];
  if (rows.length <= context.cap) return members;
  const key = step.from.table?.keys[step.index];
  const parent = `${encodeURIComponent(step.from.schema.name)}(${key})`;
  const link = `${context.baseUrl}${parent}/${encodeURIComponent(name)}?$skip=${context.cap}`;
  return [...members, { name: `${name}@odata.nextLink`, value: JSON.stringify(link) }];
}
