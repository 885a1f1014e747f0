import { UsageError } from './errors.ts';
import type { HarvestRequest } from './harvest-request.ts';
import type { Entity } from './record.ts';

export const relationForms = ['flat', 'nested'] as const;
/** How files show what came nested: `flat`, a file of its own for each entity; `nested`, inside its parents as it came. */
export type RelationForm = (typeof relationForms)[number];

/** A relation that a run follows from the records of one entity to those of another, which come nested in them. */
export interface Expansion {
  readonly relation: string;
  /** False for one that leads to one record at most. */
  readonly isMany: boolean;
  readonly entity: Entity;
  /** The relations that are followed from there. */
  readonly expand: readonly Expansion[];
}

/**
 * Paths of relations, such as `SagAktør/Aktør`, in one spelling: each once, in order, and none that another one covers.
 * Requests that follow the same relations are the same.
 */
export function tidyPaths(paths: readonly string[]): string[] {
  const tidy = [...new Set(paths.map((path) => path.trim().normalize('NFC')))].filter((path) => path !== '');
  const isCovered = (path: string) => tidy.some((other) => other.startsWith(`${path}/`));
  return tidy.filter((path) => !isCovered(path)).toSorted();
}

/** The entities whose records come nested, each once, in the order of their names. */
export function relatedEntities(expand: readonly Expansion[]): readonly Entity[] {
  const found = new Map<string, Entity>();
  const add = (expansions: readonly Expansion[]): void => {
    for (const { entity, expand: further } of expansions) {
      found.set(entity.name, entity);
      add(further);
    }
  };
  add(expand);
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Throws a UsageError for files that nest what is not asked for, or in a shape that has no place for it. */
export function checkRelations({ expand, relations, shape }: HarvestRequest): void {
  if (relations !== 'nested') return;
  if ((expand ?? []).length === 0)
    throw new UsageError('There is nothing to nest: say which relations to follow with --expand.', {
      code: 'bad-relations',
    });
  if (shape === 'canonical')
    throw new UsageError(
      "The canonical shape has no place for nested records: take the source's own with --relations nested, or --relations flat.",
      { code: 'bad-relations' },
    );
}
