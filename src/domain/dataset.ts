import { UsageError } from './errors.ts';

/** A dataset is one entity of one source, written `source/entity`, e.g. `oda/Sag`. */
export interface Dataset {
  readonly source: string;
  readonly entity: string;
}

/** Reads `source/entity`; throws a UsageError when it is not of that form. */
export function parseDataset(text: string): Dataset {
  const match = /^([a-z][a-z0-9-]*)\/([^/\s]+)$/u.exec(text.normalize('NFC'));
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new UsageError(`"${text}" is not a dataset. Write source/entity, for example oda/Sag.`, {
      code: 'bad-dataset',
      facts: { asked: text },
    });
  }
  return { source: match[1], entity: match[2] };
}

export function datasetName({ source, entity }: Dataset): string {
  return `${source}/${entity}`;
}
