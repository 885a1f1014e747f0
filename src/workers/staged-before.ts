import { createHash } from 'node:crypto';
import type { RelatedPage } from '../db/queries/related.ts';
import type { NormalisedRecord, RejectedRecord } from '../domain/record.ts';

/** How many nested records a walk remembers to have staged. */
const MOST_REMEMBERED = 20_000;

/**
 * Remembers what a walk has staged of nested records, and what it has rejected: the same ones come in many parents, and are
 * worth a row once. What is forgotten, or was staged by another walk, is staged again, and counts once all the same when it
 * is merged or reported.
 */
export class StagedBefore {
  readonly #known = new Set<string>();

  without(page: RelatedPage): RelatedPage {
    const sets = page.sets.map(({ dataset, records, rejects }) => {
      const isNew = (taken: NormalisedRecord | RejectedRecord) => !this.#known.has(identityOf(dataset, taken));
      return { dataset, records: records.filter(isNew), rejects: rejects.filter(isNew) };
    });
    return { ...page, sets };
  }

  /** To be told once the page is in the ledger, and not before. */
  remember({ sets }: RelatedPage): void {
    for (const { dataset, records, rejects } of sets)
      for (const taken of [...rejects, ...records])
        if (this.#known.size < MOST_REMEMBERED) this.#known.add(identityOf(dataset, taken));
  }
}

/** The same for the same key and content of a dataset, and for nothing else. */
export function identityOf(dataset: string, taken: NormalisedRecord | RejectedRecord): string {
  if ('hash' in taken) return `${dataset} ${taken.hash} ${taken.key}`;
  return `${dataset} rejected ${createHash('sha256').update(taken.text).digest('base64')} ${taken.key ?? ''}`;
}
