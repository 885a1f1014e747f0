import { UsageError } from '../domain/errors.ts';
import { didYouMean, listNames, nearest } from '../domain/nearest.ts';
import type { Source } from './source.ts';

/** The sources that this process knows. */
export interface Registry {
  readonly names: readonly string[];
  /** Throws a UsageError that names the sources there are, and the nearest, for an unknown name. */
  findSource(name: string): Source;
}

/** Throws a UsageError when two sources have the same name. */
export function createRegistry(sources: readonly Source[]): Registry {
  const byName = new Map<string, Source>();
  for (const source of sources) {
    if (byName.has(source.name)) {
      throw new UsageError(`There are two sources named "${source.name}". Give one of them another name.`, {
        code: 'duplicate-source',
        facts: { source: source.name },
      });
    }
    byName.set(source.name, source);
  }
  const names = [...byName.keys()];
  return { names, findSource: (name) => byName.get(name) ?? fail(name, names) };
}

function fail(asked: string, names: readonly string[]): never {
  const existing = names.length === 0 ? 'There is none.' : `There is: ${listNames(names)}.`;
  throw new UsageError(`There is no source "${asked}".${didYouMean(asked, names)} ${existing}`, {
    code: 'unknown-source',
    facts: { asked, nearest: nearest(asked, names) },
  });
}
