import { UsageError } from '../../domain/errors.ts';
import { didYouMean, listNames, nearest } from '../../domain/nearest.ts';
import type { Entity } from '../../domain/record.ts';
import { type Expansion, tidyPaths } from '../../domain/relations.ts';
import { attribute, children, type Element, inContainers, lineageOf, namedElements, readSchemas } from './metadata.ts';

/** Where a relation leads. */
interface Relation {
  readonly name: string;
  /** The entity set. */
  readonly target: string;
  readonly isMany: boolean;
}

/** The relations of each entity set of a service, from its EDMX document; those that lead to no set are left out. */
export function parseRelations(xml: string): ReadonlyMap<string, readonly Relation[]> {
  const schemas = readSchemas(xml);
  const types = namedElements(schemas, 'EntityType');
  const associations = namedElements(schemas, 'Association');
  const sets = inContainers(schemas, 'EntitySet');
  const setOf = new Map<string, string>();
  for (const set of sets.toReversed()) setOf.set(attribute(set, 'EntityType'), attribute(set, 'Name')); // the first counts
  const ends = new Map<string, Element[]>(
    inContainers(schemas, 'AssociationSet').map((each) => [attribute(each, 'Association'), children(each, 'End')]),
  );
  const relationOf = (property: Element): Relation[] => {
    const [relationship, role] = [attribute(property, 'Relationship'), attribute(property, 'ToRole')];
    const isIt = (end: Element) => attribute(end, 'Role') === role;
    const end = children(associations.get(relationship) ?? {}, 'End').find(isIt);
    const named = (ends.get(relationship) ?? []).find(isIt);
    const target = named === undefined ? setOf.get(attribute(end ?? {}, 'Type')) : attribute(named, 'EntitySet');
    if (end === undefined || target === undefined) return [];
    return [{ name: attribute(property, 'Name'), target, isMany: attribute(end, 'Multiplicity') === '*' }];
  };
  return new Map(
    sets.map((set) => {
      const properties = lineageOf(attribute(set, 'EntityType'), types).flatMap((type) =>
        children(type, 'NavigationProperty'),
      );
      return [attribute(set, 'Name'), properties.flatMap(relationOf)];
    }),
  );
}

/** The service answers 400 to deeper paths. */
const DEEPEST = 2;

export interface Related {
  readonly entities: readonly Entity[];
  readonly relations: ReadonlyMap<string, readonly Relation[]>;
}

/** Finds where paths of relations lead; see `Source.relate`. */
export function followPaths(known: Related, entity: Entity, paths: readonly string[]): Expansion[] {
  const steps = tidyPaths(paths).map((path) => {
    const names = path.split('/');
    if (names.length <= DEEPEST) return names;
    throw new UsageError(`"${path}" is too deep: this source follows relations over ${DEEPEST} steps at most.`, {
      code: 'expand-too-deep',
      facts: { asked: path, deepest: DEEPEST },
    });
  });
  return follow(known, entity, steps);
}

function follow(known: Related, entity: Entity, steps: readonly (readonly string[])[]): Expansion[] {
  const further = new Map<string, (readonly string[])[]>();
  for (const [name = '', ...rest] of steps) {
    const others = further.get(name) ?? [];
    further.set(name, rest.length === 0 ? others : [...others, rest]);
  }
  return [...further].map(([name, rest]) => {
    const { target, isMany } = findRelation(known, entity, name);
    return { relation: name, isMany, entity: target, expand: follow(known, target, rest) };
  });
}

function findRelation(
  { entities, relations }: Related,
  { name }: Entity,
  asked: string,
): { readonly target: Entity; readonly isMany: boolean } {
  const known = (relations.get(name) ?? []).flatMap((relation) => {
    const target = entities.find((each) => each.name === relation.target);
    return target === undefined ? [] : [{ ...relation, target }];
  });
  const found = known.find((relation) => relation.name === asked);
  if (found !== undefined) return found;
  const names = known.map((relation) => relation.name);
  const existing = names.length === 0 ? 'It has none.' : `It has: ${listNames(names, 40)}.`;
  throw new UsageError(`${name} has no relation "${asked}".${didYouMean(asked, names)} ${existing}`, {
    code: 'unknown-relation',
    facts: { asked, entity: name, nearest: nearest(asked, names) },
  });
}
