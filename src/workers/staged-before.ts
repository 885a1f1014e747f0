import type { RelatedPage } from '../db/queries/related.ts';

/** How many nested records a walk remembers to have staged. */
const MOST_REMEMBERED = 20_000;

/**
 * Remembers what a walk has staged of nested records: the same ones come in many parents, and are worth a row once. What is
 * forgotten, or was staged by another walk, is staged again, and counts once all the same when it is merged.
 */
export class StagedBefore {
  readonly #known = new Set<string>();

  without(page: RelatedPage): RelatedPage {
    const sets = page.sets.map(({ dataset, records, rejects }) => ({
      dataset,
      rejects,
      records: records.filter(({ key, hash }) => !this.#known.has(nameOf(dataset, key, hash))),
    }));
    return { ...page, sets };
  }

  /** To be told once the page is in the ledger, and not before. */
  remember({ sets }: RelatedPage): void {
    for (const { dataset, records } of sets)
      for (const { key, hash } of records)
        if (this.#known.size < MOST_REMEMBERED) this.#known.add(nameOf(dataset, key, hash));
  }
}

function nameOf(dataset: string, key: string, hash: string): string {
  return `${dataset} ${key} ${hash}`;
}
