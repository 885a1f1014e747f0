import { bodyStart } from '../../domain/classify.ts';
import { TransientError } from '../../domain/errors.ts';
import { sliceArrayElements } from '../../domain/json-text.ts';
import { isRow } from '../normalise.ts';

/** The JSON of a collection, as it came. */
export interface Collection {
  readonly envelope: Record<string, unknown>;
  readonly values: readonly unknown[];
  /** The source text of each value. */
  readonly texts: readonly string[];
}

/** Throws a TransientError for anything but a collection. */
export function parseCollection(body: string): Collection {
  const envelope = parseJson(body);
  const values = isRow(envelope) ? envelope['value'] : undefined;
  if (!isRow(envelope) || !Array.isArray(values)) throw notCollection(body);
  const texts = sliceArrayElements(body, 'value');
  if (texts?.length !== values.length) throw notCollection(body);
  return { envelope, values, texts };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new TransientError(`The answer is not JSON, or cut short: ${bodyStart(body) || '(empty)'}`, {
      code: 'not-json',
      facts: { bodyStart: bodyStart(body), length: body.length },
      cause: error,
    });
  }
}

function notCollection(body: string): TransientError {
  return new TransientError(`The answer is JSON, but not a collection with "value": ${bodyStart(body)}`, {
    code: 'not-a-collection',
    facts: { bodyStart: bodyStart(body) },
  });
}
