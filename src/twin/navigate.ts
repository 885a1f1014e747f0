import { type EntitySchema, type Navigation, navigationOf } from './schema.ts';
import { columnOf, groupsOf, indexOfKey, type Key, type Table } from './table.ts';
import type { TwinData } from './twin-data.ts';

/** Where a navigation of a table leads: the other table (undefined when the data has none), and the rows there for a row here. */
export type Destination = {
  readonly navigation: Navigation;
  readonly schema: EntitySchema;
  readonly table: Table | undefined;
  readonly rowsOf: (index: number) => readonly number[];
};

const noRows: readonly number[] = [];

/** Follows a navigation by its foreign key; undefined when the set has none of that name. */
export function destinationOf(
  data: TwinData,
  from: { schema: EntitySchema; table: Table | undefined },
  name: string,
): Destination | undefined {
  const navigation = navigationOf(from.schema, name);
  const schema = navigation === undefined ? undefined : data.schema.get(navigation.target);
  if (navigation === undefined || schema === undefined) return undefined;
  const table = data.table(navigation.target);
  return { navigation, schema, table, rowsOf: rowFinder(navigation, from.table, table) };
}

function rowFinder(navigation: Navigation, from: Table | undefined, to: Table | undefined): Destination['rowsOf'] {
  if (from === undefined || to === undefined) return () => noRows;
  if (navigation.isMany) return (index) => groupsOf(to, navigation.foreignKey).get(from.keys[index]) ?? noRows;
  return (index) => {
    const key = columnOf(from, navigation.foreignKey)[index] as Key | null;
    const found = key === null ? -1 : indexOfKey(to, key);
    return found === -1 ? noRows : [found];
  };
}
